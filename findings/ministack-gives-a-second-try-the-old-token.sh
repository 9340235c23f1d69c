#!/usr/bin/env bash
# MiniStack's Step Functions give each try of a task the same token.
#
# Version: MiniStack 1.5.33.
# Guess before the run: a retry has a token of its own, as on AWS, where an answer to the earlier
# try is refused with TaskTimedOut.
# Seen: the second try sends the first one's token; whoever answers the first one late answers the
# second.
# Matters to: tests of late answers. They can't show there that a late one is refused.
. "$(dirname "$0")/lib.sh"
start_ministack stepfunctions,sqs
seen=$(in_waiting_machine <<'PY'
retry = [{"ErrorEquals": ["States.Timeout"], "IntervalSeconds": 1, "MaxAttempts": 1}]
execution = start(TimeoutSeconds=1, Retry=retry)
first, second = token(), token()
print("same" if first == second else "another")
sfn.send_task_success(taskToken=first, output='"of the first"')
print(end(execution))
PY
)
expect 'token of the second try' same "$(sed -n 1p <<<"$seen")"
expect 'answer to the first one' '"of the first"' "$(sed -n 2p <<<"$seen")"
