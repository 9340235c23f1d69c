#!/usr/bin/env bash
# MiniStack's Step Functions fail a task whose TimeoutSeconds is a JSONata expression.
#
# Version: MiniStack 1.5.33.
# Guess before the run: the task times out after the seconds that the expression comes to, as AWS
# documents for TimeoutSeconds of JSONata states.
# Seen: the execution fails with States.Runtime, which no Catch of a state sees. A number works.
# Matters to: deadlines that are computed. Test them with numbers there.
. "$(dirname "$0")/lib.sh"
start_ministack stepfunctions,sqs
seen=$(in_waiting_machine <<'PY'
catch = [{"ErrorEquals": ["States.ALL"], "Next": "Caught", "Output": "{% $states.errorOutput %}"}]
for timeout in (1, "{% 1 %}"):
    print(end(start(TimeoutSeconds=timeout, Catch=catch)))
PY
)
expect 'TimeoutSeconds 1' '"caught States.Timeout"' "$(sed -n 1p <<<"$seen")"
expect 'TimeoutSeconds {% 1 %}' States.Runtime "$(sed -n 2p <<<"$seen")"
