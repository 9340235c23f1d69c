#!/usr/bin/env bash
# MiniStack's history of an execution doesn't say which event each one follows.
#
# Version: ministack 1.5.33.
# Guess before the run: previousEventId as in the API's reference, where all but the first events
# name the one that they follow.
# Seen: no event has previousEventId, so that clients read 0 for each.
# Matters to: who finds the state of a failed try by following the events back, as parallel branches
# need it. Here every event looks like the first one, and no state has failed.
. "$(dirname "$0")/lib.sh"
start_ministack stepfunctions,iam
got="$(in_python <<'PY'
import json
import sys
import time

import boto3

sfn = boto3.client(
    "stepfunctions", endpoint_url=sys.argv[1], region_name="us-east-1", aws_access_key_id="a", aws_secret_access_key="a",
)
arn = sfn.create_state_machine(
    name="passes", roleArn="arn:aws:iam::000000000000:role/r",
    definition=json.dumps({"StartAt": "A", "States": {"A": {"Type": "Pass", "Next": "B"}, "B": {"Type": "Succeed"}}}),
)["stateMachineArn"]
run = sfn.start_execution(stateMachineArn=arn)["executionArn"]
for _ in range(100):
    if sfn.describe_execution(executionArn=run)["status"] != "RUNNING":
        break
    time.sleep(0.1)
events = sfn.get_execution_history(executionArn=run)["events"]
print(len(events) > 3, sum("previousEventId" in e for e in events))
PY
)"
expect 'whether there are events, and how many say what they follow' 'True 0' "$got"
