#!/usr/bin/env bash
# MiniStack's Step Functions call a missed heartbeat States.Timeout.
#
# Version: MiniStack 1.5.33.
# Guess before the run: States.HeartbeatTimeout, the name that the Amazon States Language has for
# it.
# Seen: a Catch of States.HeartbeatTimeout alone doesn't see it, and the execution ends with
# States.Timeout.
# Matters to: a machine that goes another way when a worker is lost than when its time is up.
. "$(dirname "$0")/lib.sh"
start_ministack stepfunctions,sqs
seen=$(in_waiting_machine <<'PY'
for error in ("States.HeartbeatTimeout", "States.Timeout"):
    catch = [{"ErrorEquals": [error], "Next": "Caught", "Output": "{% $states.errorOutput %}"}]
    print(end(start(TimeoutSeconds=60, HeartbeatSeconds=1, Catch=catch)))
PY
)
expect 'Catch of States.HeartbeatTimeout' States.Timeout "$(sed -n 1p <<<"$seen")"
expect 'Catch of States.Timeout' '"caught States.Timeout"' "$(sed -n 2p <<<"$seen")"
