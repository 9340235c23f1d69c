#!/usr/bin/env python3
"""sam_local.py PORT [SAMPLE]   Calls every function in its container (sam local invoke) with each of its sample events, or with one, and checks the answers.

The functions work on what make run deployed to the emulator on PORT. SAM_LOCAL_IMAGE names another image than AWS's own and is not pulled;
SAM_LOCAL_ARGS holds more arguments for sam local invoke. It runs in the SAM CLI's virtual environment.
"""
import contextlib
import datetime
import ipaddress
import json
import os
import pathlib
import re
import secrets
import shlex
import socket
import subprocess
import sys
import threading

import boto3
import botocore.exceptions
import docker
from samcli.yamlhelper import yaml_dump, yaml_parse

ROOT = pathlib.Path(__file__).resolve().parents[2]
SAMPLES = ROOT / "events" / "samples" / "invoke"
IDS = "00000000-0000-4000-8000-"  # what the ids of the samples' messages begin with
OUTCOMES = SAMPLES.parent / "outcomes.json"  # what each call has to come to; CI holds the deployed functions to the same
BUILD = ROOT / ".aws-sam" / "local"
STACK = "orderflow-local"
TEST_CREDENTIALS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
HOST_IN_CONTAINER = "host.docker.internal"
INVOKE_SECONDS = 300  # the first call may pull the image


def main() -> int:
    if not re.fullmatch("[1-9][0-9]{0,4}", sys.argv[1]):
        return fail(f"PORT is a number from 1 to 65535 in decimal digits, not {sys.argv[1] or 'empty'}")
    port = int(sys.argv[1])
    try:
        engine = docker.from_env()
        engine.ping()
    except docker.errors.DockerException as err:
        return fail(
            "sam local invoke needs a Docker engine, and none answers at "
            f"{os.environ.get('DOCKER_HOST', 'unix:///var/run/docker.sock')} ({err}). Start one, or name another with DOCKER_HOST."
        )
    try:
        functions, tables = deployed(f"http://127.0.0.1:{port}")
    except (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError) as err:
        return fail(f"the functions work on what make run deployed to port {port}, and it is not there ({err}). First: make run PORT={port}")
    samples = {path: owner(path.stem, functions) for path in sorted(SAMPLES.glob("*.json"), key=lambda path: path.stem)}
    problems = [f"{path.name}: no function has this name" for path, name in samples.items() if name is None]
    problems += [f"{name}: no sample event in {SAMPLES.relative_to(ROOT)}" for name in functions if name not in samples.values()]
    if problems:
        return fail("\n".join(problems))

    outcomes = json.loads(OUTCOMES.read_text())
    if unknown := sorted(outcomes.keys() - {path.stem for path in samples}):
        return fail(f"{OUTCOMES.relative_to(ROOT)}: no sample event is called {', '.join(unknown)}")

    wanted = [path for path in samples if not sys.argv[2:] or path.stem == sys.argv[2]]
    if not wanted:
        return fail(f"SAMPLE is one of {', '.join(path.stem for path in samples)}, not {sys.argv[2]}")

    failed, given = [], set()
    with reachable(engine, port) as endpoint:
        template = for_containers(functions, endpoint)
        for path in wanted:
            ids = fresh(path)
            outcome = json.loads(json.dumps(outcomes.get(path.stem, {})).replace(IDS, ids))
            for first in outcome.get("given", []):
                if first not in given:
                    sample = path.with_stem(first)
                    given.add(first)
                    invoke(template, functions[samples[sample]]["id"], sample, fresh(sample))
            done, answer = invoke(template, functions[samples[path]]["id"], path, ids)
            problem = (trouble(answer, outcome) or missing(port, tables, outcome)) if done else answer
            # Of one call the whole answer is of interest.
            print(f"{'FAIL' if problem else 'ok  '} {path.name}: {problem or (answer if len(wanted) == 1 else answer[:200])}", flush=True)
            if problem:
                failed.append(path.name)
    if failed:
        return fail(f"{len(failed)} of {len(wanted)} calls failed: {', '.join(failed)}")
    print(f"{len(wanted)} calls answered as {OUTCOMES.relative_to(ROOT)} says")
    return 0


def deployed(endpoint: str) -> tuple[dict, dict]:
    """The stack's functions by the name of their directory: logical id, environment and architecture. And its tables by logical id."""
    session = boto3.Session(aws_access_key_id="test", aws_secret_access_key="test", region_name="us-east-1")
    stack = session.client("cloudformation", endpoint_url=endpoint)
    functions = session.client("lambda", endpoint_url=endpoint)
    found, tables = {}, {}
    for resource in stack.describe_stack_resources(StackName=STACK)["StackResources"]:
        physical = resource["PhysicalResourceId"]
        if resource["ResourceType"] == "AWS::DynamoDB::Table":
            tables[resource["LogicalResourceId"]] = physical
        if resource["ResourceType"] == "AWS::Lambda::Function":
            configuration = functions.get_function_configuration(FunctionName=physical)
            variables = configuration.get("Environment", {}).get("Variables", {})
            found[physical.removeprefix(f"{STACK}-")] = {
                "id": resource["LogicalResourceId"],
                "variables": variables,
                "architecture": configuration["Architectures"][0],
            }
    return found, tables


def owner(sample: str, functions: dict) -> str | None:
    """A sample is named <function> or <function>-<case>."""
    names = [name for name in functions if sample == name or sample.startswith(f"{name}-")]
    return max(names, key=len, default=None)


def for_containers(functions: dict, endpoint: str) -> pathlib.Path:
    """The built template with the environment that the deployed functions have. SAM would put names of its own making in for tables and queues."""
    template = yaml_parse((BUILD / "template.yaml").read_text())
    for function in functions.values():
        template["Parameters"]["Architecture"]["Default"] = function["architecture"]
        template["Resources"][function["id"]]["Properties"]["Environment"] = {
            "Variables": {**function["variables"], **TEST_CREDENTIALS, "AWS_ENDPOINT_URL": endpoint}
        }
    path = BUILD / "template-sam-local.yaml"
    path.write_text(yaml_dump(template))
    return path


def fresh(sample: pathlib.Path) -> str:
    """What the ids of a sample's messages begin with in a call: a consumer counts its tries of a message, and gives up after three. The entry of a
    dead letter is named by its message's id, so those stay."""
    return IDS if sample.stem.startswith("record-dead-letters") else f"{secrets.token_hex(4)}{IDS[8:]}"


def dated(sample: pathlib.Path, ids: str) -> pathlib.Path:
    """A copy of the sample whose messages are new, and whose events happen now: of one that is too old, or dated ahead, no mail is written."""
    now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    event = json.loads(sample.read_text().replace(IDS, ids))
    for record in event.get("Records", []):
        with contextlib.suppress(KeyError, TypeError, json.JSONDecodeError):
            body = json.loads(record["body"])
            body["detail"]["time"] = now
            record["body"] = json.dumps(body, separators=(",", ":"))
    copy = BUILD / "samples" / sample.name
    copy.parent.mkdir(exist_ok=True)
    copy.write_text(json.dumps(event))
    return copy


def invoke(template: pathlib.Path, function: str, sample: pathlib.Path, ids: str) -> tuple[bool, str]:
    """Whether the function answered, and what; if it did not, why."""
    command = [sys.executable, "-m", "samcli", "local", "invoke", function, "--template", str(template), "--event", str(dated(sample, ids))]
    command += ["--add-host", f"{HOST_IN_CONTAINER}:host-gateway", *shlex.split(os.environ.get("SAM_LOCAL_ARGS", ""))]
    if image := os.environ.get("SAM_LOCAL_IMAGE"):
        command += ["--skip-pull-image", "--invoke-image", image]
    # Without credentials SAM asks AWS for nothing; AWS_* of the shell would win over the template's.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    environment |= {"SAM_CLI_TELEMETRY": "0", "AWS_DEFAULT_REGION": "us-east-1", "AWS_EC2_METADATA_DISABLED": "true"}
    environment |= {"AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull}
    try:
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=INVOKE_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return False, f"no answer within {INVOKE_SECONDS} s"
    if done.returncode != 0:
        return False, f"sam exits {done.returncode}\n{done.stderr}"
    return True, done.stdout.strip()


def trouble(answer: str, outcome: dict) -> str:
    """What is wrong with a function's answer to a sample, or nothing. SAM exits 0 also when the handler failed."""
    try:
        payload = json.loads(answer)
    except json.JSONDecodeError as err:
        return f"the answer is not JSON ({err}): {answer[:200] or '(nothing)'}"
    payload = payload if isinstance(payload, dict) else {}
    if (error := payload.get("errorType")) != outcome.get("error"):
        return f"expected error {outcome.get('error')}, got {error}: {answer[:200]}"
    statuses = outcome.get("status", [])
    statuses = statuses if isinstance(statuses, list) else [statuses]
    if statuses and payload.get("statusCode") not in statuses:
        return f"expected status {statuses}, got {payload.get('statusCode')}: {answer[:200]}"
    failed = [failure["itemIdentifier"] for failure in payload.get("batchItemFailures", [])]
    if failed != outcome.get("failed", []):
        return f"expected the failed messages {outcome.get('failed', [])}, got {failed}"
    return ""


def missing(port: int, tables: dict, outcome: dict) -> str:
    """What a function should have written and hasn't, or nothing."""
    session = boto3.Session(aws_access_key_id="test", aws_secret_access_key="test", region_name="us-east-1")
    client = session.client("dynamodb", endpoint_url=f"http://127.0.0.1:{port}")
    for table, key in outcome.get("writes", {}).items():
        if "Item" not in client.get_item(TableName=tables[table], Key=key, ConsistentRead=True):
            return f"expected an item {key} in {tables[table]}"
    return ""


@contextlib.contextmanager
def reachable(engine, port: int):
    """The emulator's address as containers see it. It listens on the loopback address alone, so on Linux a relay stands on the bridge's."""
    try:
        bridge = engine.networks.get("bridge").attrs["IPAM"]["Config"][0]
        # Not every engine tells the gateway; it is the network's first address then.
        gateway = bridge.get("Gateway") or next(ipaddress.ip_network(bridge["Subnet"]).hosts())
        listener = socket.create_server((str(gateway), 0))
    except (OSError, LookupError, docker.errors.DockerException):
        yield f"http://{HOST_IN_CONTAINER}:{port}"  # an engine in a VM of its own leads there by itself
        return
    with listener:
        threading.Thread(target=relay, args=(listener, port), daemon=True).start()
        yield f"http://{HOST_IN_CONTAINER}:{listener.getsockname()[1]}"


def relay(listener: socket.socket, port: int) -> None:
    with contextlib.suppress(OSError):
        while True:
            inside, _ = listener.accept()
            outside = socket.create_connection(("127.0.0.1", port))
            for source, target in ((inside, outside), (outside, inside)):
                threading.Thread(target=pump, args=(source, target), daemon=True).start()


def pump(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)


def fail(text: str) -> int:
    print(f"error: {text}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
