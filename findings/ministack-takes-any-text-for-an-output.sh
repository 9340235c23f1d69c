#!/usr/bin/env bash
# MiniStack's SendTaskSuccess takes an output that is no JSON, and one of any size.
#
# Version: MiniStack 1.5.33.
# Guess before the run: InvalidOutput for both, as AWS documents: JSON of at most 262,144 bytes.
# Seen: the text becomes the execution's output as a JSON string, and 300,000 bytes pass.
# Matters to: whoever answers task tokens. A wrong answer shows on AWS alone; check its form and
# size before.
. "$(dirname "$0")/lib.sh"
start_ministack stepfunctions,sqs
seen=$(in_waiting_machine <<'PY'
for output in ("no JSON", '"' + 300_000 * "x" + '"'):
    execution = start()
    sfn.send_task_success(taskToken=token(), output=output)
    ended = end(execution)
    print(ended if len(ended) < 100 else len(ended))
PY
)
expect 'no JSON' '"no JSON"' "$(sed -n 1p <<<"$seen")"
expect '300,002 bytes' 300002 "$(sed -n 2p <<<"$seen")"
