#!/usr/bin/env python3
"""What the workflows do with a stack. It runs in the SAM CLI's virtual environment, with credentials from the environment.

stack.py plan STACK [SAM ARGUMENT]...   makes a change set by sam deploy, and shows it in the job's summary
stack.py execute STACK CHANGE_SET       carries out that change set, and waits
stack.py remove STACK                   deletes a stack and what a deletion leaves
stack.py sweep PREFIX [NUMBER]...       removes <PREFIX>-<number> and what is left of it, for all numbers but these
"""
import os
import pathlib
import re
import subprocess
import sys
import time

import boto3
import botocore.exceptions

POLL_SECONDS = 5
WAIT_SECONDS = 3600
LOG_GROUPS = ("/aws/lambda/", "/aws/vendedlogs/states/", "/aws/vendedlogs/apigateway/")  # and the stack's name
KEY_WAIT_DAYS = 7  # the least that KMS takes


class Refused(Exception):
    """Why a command stops, for whoever reads the job's log."""


def main(arguments: list[str]) -> int:
    commands = {"plan": plan, "execute": execute, "remove": remove, "sweep": sweep}
    if len(arguments) < 2 or arguments[0] not in commands:
        print(__doc__, file=sys.stderr)
        return 2
    try:
        commands[arguments[0]](*arguments[1:])
    except Refused as err:
        print(f"error: {err}", file=sys.stderr)
        return 1
    return 0


def plan(stack: str, *sam: str) -> None:
    """Outputs changeset=<ARN>, or an empty one where nothing changes. A stack whose first deployment failed can only be deleted: it goes before."""
    if (found := existing(boto3.client("cloudformation"), stack)) and found["StackStatus"] == "ROLLBACK_COMPLETE":
        remove(stack)
    command = [sys.executable, "-m", "samcli", "deploy", "--stack-name", stack, *sam]
    command += ["--no-execute-changeset", "--no-confirm-changeset", "--no-fail-on-empty-changeset"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, "SAM_CLI_TELEMETRY": "0"}) as deploy:
        printed = ""
        for line in deploy.stdout:
            print(line, end="", flush=True)
            printed += line
    if deploy.returncode:
        raise Refused(f"sam deploy exits {deploy.returncode}")
    found = re.findall(r"arn:[\w-]+:cloudformation:\S+?:changeSet/\S+", printed)
    if not found:
        summarise(f"## {stack}\n\nNothing changes.\n")
        output("changeset", "")
        return
    summarise(shown(stack, described(stack, found[-1])))
    output("changeset", found[-1])


def described(stack: str, change_set: str) -> dict:
    """The change set with all of its changes."""
    client, changes, token = boto3.client("cloudformation"), [], {}
    while True:
        try:
            page = client.describe_change_set(StackName=stack, ChangeSetName=change_set, **token)
        except client.exceptions.ChangeSetNotFoundException as err:
            raise Refused(f"{change_set} is not there any more; plan again") from err
        changes += page.get("Changes", [])
        if not page.get("NextToken"):
            return {**page, "Changes": changes}
        token = {"NextToken": page["NextToken"]}


def shown(stack: str, change_set: dict) -> str:
    """The change set in Markdown, what is lost first."""
    rows = []
    for change in (c["ResourceChange"] for c in change_set["Changes"] if "ResourceChange" in c):
        replaced = change.get("Replacement", "")
        loss = change["Action"] == "Remove" or replaced in ("True", "Conditional")
        rows.append((not loss, change["LogicalResourceId"], change["Action"], replaced, change["ResourceType"]))
    lost = sum(1 for row in rows if not row[0])
    lines = [f"## {stack}", "", f"{len(rows)} changes, of which {lost} remove or may replace a resource.", ""]
    lines += ["| | resource | type | action | replacement |", "|---|---|---|---|---|"]
    for kept, name, action, replaced, kind in sorted(rows):
        lines.append(f"| {'' if kept else ':warning:'} | {name} | {kind} | {action} | {replaced} |")
    parameters = change_set.get("Parameters", [])
    if parameters:
        lines += ["", "<details><summary>Parameters</summary>", "", "| parameter | value |", "|---|---|"]
        lines += [f"| {p['ParameterKey']} | {cell(p.get('ParameterValue', ''))} |" for p in parameters]
        lines += ["", "</details>"]
    return "\n".join([*lines, "", f"Change set `{change_set['ChangeSetName']}`.", ""])


def cell(text: str) -> str:
    """A text that stays in one cell of a table."""
    return text.replace("|", "\\|").replace("\n", " ")


def execute(stack: str, change_set: str) -> None:
    """A change set is carried out as it was shown: CloudFormation refuses one that another deployment has overtaken."""
    client = boto3.client("cloudformation")
    found = described(stack, change_set)
    if found.get("ExecutionStatus") != "AVAILABLE":
        raise Refused(f"{change_set} can't be executed: {found.get('ExecutionStatus')} ({found.get('Status')}); plan again")
    before = newest(client, found["StackId"])
    client.execute_change_set(StackName=stack, ChangeSetName=change_set)
    status = settled(client, found["StackId"], before)
    if status not in ("CREATE_COMPLETE", "UPDATE_COMPLETE"):
        for event in reversed(client.describe_stack_events(StackName=found["StackId"])["StackEvents"]):
            if event["ResourceStatus"].endswith("_FAILED"):
                print(f"{event['LogicalResourceId']}: {event.get('ResourceStatusReason', event['ResourceStatus'])}", file=sys.stderr)
        raise Refused(f"{stack} is {status}")
    lines = [f"## {stack}", "", status, "", "| output | value |", "|---|---|"]
    for out in client.describe_stacks(StackName=found["StackId"])["Stacks"][0].get("Outputs", []):
        if out["OutputKey"] in ("ApiUrl", "UserPoolId"):
            lines.append(f"| {out['OutputKey']} | {cell(out['OutputValue'])} |")
    summarise("\n".join([*lines, ""]))


def newest(client, stack: str) -> str:
    """The id of a stack's newest event, empty for one that has none."""
    events = client.describe_stack_events(StackName=stack)["StackEvents"]
    return events[0]["EventId"] if events else ""


def settled(client, stack: str, before: str) -> str:
    """The status that a stack, by its id, comes to after an event. It keeps the one that it had for a moment after it is asked to change."""
    deadline = time.monotonic() + WAIT_SECONDS
    while True:
        status = client.describe_stacks(StackName=stack)["Stacks"][0]["StackStatus"]
        if not status.endswith("_IN_PROGRESS") and newest(client, stack) != before:
            return status
        if time.monotonic() > deadline:
            raise Refused(f"{stack} is {status} after {WAIT_SECONDS} s")
        time.sleep(POLL_SECONDS if "AWS_ENDPOINT_URL" not in os.environ else 0.1)


def existing(client, stack: str) -> dict | None:
    """The stack of this name, or None."""
    try:
        return client.describe_stacks(StackName=stack)["Stacks"][0]
    except botocore.exceptions.ClientError as err:
        if "does not exist" in str(err):
            return None
        raise


def remove(stack: str) -> None:
    """Each step may be repeated: what is gone is not asked for again."""
    client = boto3.client("cloudformation")
    if found := existing(client, stack):
        given = {parameter["ParameterKey"]: parameter.get("ParameterValue") for parameter in found.get("Parameters", [])}
        if given.get("DeletionProtection") == "true":
            raise Refused(f"{stack} is protected. To remove it, deploy it with DeletionProtection=false first")
        keys = [
            part["PhysicalResourceId"]
            for page in client.get_paginator("list_stack_resources").paginate(StackName=stack)
            for part in page["StackResourceSummaries"]
            if part["ResourceType"] == "AWS::KMS::Key" and part.get("PhysicalResourceId")
        ]
        # Before the stack, which nobody can ask for its keys afterwards, should this end halfway.
        for key in keys:
            forget(key)
        before = newest(client, found["StackId"])
        client.delete_stack(StackName=found["StackId"])
        if (status := settled(client, found["StackId"], before)) != "DELETE_COMPLETE":
            raise Refused(f"{stack} is {status}; its events say why")
        print(f"{stack}: deleted")
    clean(stack)


def forget(key: str) -> None:
    """Schedules a key's deletion. Until then it can be brought back."""
    client = boto3.client("kms")
    if client.describe_key(KeyId=key)["KeyMetadata"]["KeyState"] == "PendingDeletion":
        return
    client.schedule_key_deletion(KeyId=key, PendingWindowInDays=KEY_WAIT_DAYS)
    print(f"{key}: deleted in {KEY_WAIT_DAYS} days")


def clean(stack: str) -> None:
    """Removes what a deletion leaves: log groups that a last call made again, and tables that an update replaced and kept."""
    logs, tables = boto3.client("logs"), boto3.client("dynamodb")
    for name in log_groups(stack):
        logs.delete_log_group(logGroupName=name)
        print(f"{name}: deleted")
    for page in tables.get_paginator("list_tables").paginate():
        for name in page["TableNames"]:
            if name.startswith(f"{stack}-"):
                tables.delete_table(TableName=name)
                print(f"{name}: deleted")


def log_groups(stack: str) -> list[str]:
    """The log groups whose names begin with the stack's."""
    pages = boto3.client("logs").get_paginator("describe_log_groups")
    return [
        group["logGroupName"]
        for prefix in LOG_GROUPS
        for page in pages.paginate(logGroupNamePrefix=f"{prefix}{stack}-")
        for group in page["logGroups"]
    ]


def sweep(prefix: str, *keep: str) -> None:
    """Goes on where one stack can't be removed, and fails at the end."""
    if wrong := [number for number in keep if not re.fullmatch("[1-9][0-9]*", number)]:
        raise Refused(f"expected numbers of pull requests, got {', '.join(wrong)}")
    named = re.compile(re.escape(prefix) + r"-([1-9][0-9]*)(?:-|$)")
    stacks = boto3.client("cloudformation").get_paginator("describe_stacks")
    names = [stack["StackName"] for page in stacks.paginate() for stack in page["Stacks"] if "RootId" not in stack]
    names += [name.removeprefix(kind) for name in log_groups(prefix) for kind in LOG_GROUPS if name.startswith(kind)]
    names += [name for page in boto3.client("dynamodb").get_paginator("list_tables").paginate() for name in page["TableNames"]]
    numbers = {found.group(1) for name in names if (found := named.match(name))} - set(keep)
    failed = []
    for number in sorted(numbers, key=int):
        try:
            remove(f"{prefix}-{number}")
        except (Refused, botocore.exceptions.ClientError) as err:
            failed.append(f"{prefix}-{number}: {err}")
    summarise(f"## Sweep\n\n{len(numbers)} leftovers of closed pull requests, {len(failed)} of which could not be removed.\n")
    if failed:
        raise Refused("; ".join(failed))


def summarise(text: str) -> None:
    """Shows a text in the job's summary, or here."""
    append("GITHUB_STEP_SUMMARY", text)


def output(name: str, value: str) -> None:
    """Hands a value to the jobs behind."""
    append("GITHUB_OUTPUT", f"{name}={value}\n")


def append(variable: str, text: str) -> None:
    """Appends to the file that a variable of the runner names."""
    if file := os.environ.get(variable):
        with pathlib.Path(file).open("a", encoding="utf-8") as opened:
            opened.write(text)
    else:
        print(text)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
