#!/usr/bin/env bash
# MiniStack's Step Functions go on waiting for the token of a function that has failed.
#
# Version: MiniStack 1.5.33.
# Guess before the run: a task lambda:invoke.waitForTaskToken fails with the function's error, as
# one without a token does: the call is the first half of the task.
# Seen: the task without a token fails at once. The one with a token waits until its time is up,
# and ends with States.Timeout, so that no Retry or Catch of the function's error is tried.
# Matters to: a machine whose waiting task has a Retry, and whoever tests that.
. "$(dirname "$0")/lib.sh"
start_ministack stepfunctions,lambda,iam

seen=$(in_python <<'PY'
import io
import json
import sys
import time
import zipfile

import boto3

client = {"endpoint_url": sys.argv[1], "region_name": "us-east-1", "aws_access_key_id": "a", "aws_secret_access_key": "a"}
functions, sfn = boto3.client("lambda", **client), boto3.client("stepfunctions", **client)
code = io.BytesIO()
with zipfile.ZipFile(code, "w") as archive:
    archive.writestr("fails.py", "class Refused(Exception):\n    pass\n\n\ndef handler(event, context):\n    raise Refused('refused by the handler')\n")
role = "arn:aws:iam::000000000000:role/any"
functions.create_function(
    FunctionName="fails", Runtime="python3.12", Handler="fails.handler", Role=role, Code={"ZipFile": code.getvalue()},
)


def end(resource, payload):
    """What becomes of an execution whose one task calls the function, and has 5 seconds."""
    task = {
        "Type": "Task", "Resource": resource, "TimeoutSeconds": 5, "End": True,
        "Arguments": {"FunctionName": "fails", "Payload": payload},
    }
    machine = {"QueryLanguage": "JSONata", "StartAt": "Call", "States": {"Call": task}}
    arn = sfn.create_state_machine(name=f"m-{time.monotonic_ns()}", definition=json.dumps(machine), roleArn=role)["stateMachineArn"]
    execution = sfn.start_execution(stateMachineArn=arn, input="{}")["executionArn"]
    while True:
        described = sfn.describe_execution(executionArn=execution)
        if described["status"] != "RUNNING":
            by = "function" if "refused by the handler" in described.get("cause", "") else described.get("error")
            return described["status"] + " by " + by
        time.sleep(0.2)


print(end("arn:aws:states:::lambda:invoke", {}))
print(end("arn:aws:states:::lambda:invoke.waitForTaskToken", {"token": "{% $states.context.Task.Token %}"}))
PY
)
expect "without a token, it ends" "FAILED by function" "$(sed -n 1p <<<"$seen")"
expect "with a token, it ends" "FAILED by States.Timeout" "$(sed -n 2p <<<"$seen")"
