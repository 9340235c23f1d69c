#!/usr/bin/env python3
"""sam_local.py PORT   Calls every function in its container (sam local invoke) with each of its sample events, and checks the answers.

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
BUILD = ROOT / ".aws-sam" / "local"
STACK = "orderflow-local"
TEST_CREDENTIALS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
HOST_IN_CONTAINER = "host.docker.internal"
REFUSED = {  # these name an order, an account and a person's key that no deployment has: the function must say so
    "advance-order": "order.not-found",
    "process-payment-charge": "account.not-open",
    "schedule-shipment-schedule": "shipment.address-unreadable",
}
# The messages of these name things that no deployment has, too, or a customer whom nobody has erased: they have to come again.
LACKING = {"commit-stock", "finish-erasure", "follow-shipments", "prepare-shipments", "send-mails", "simulate-carrier"}
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
        functions = deployed(f"http://127.0.0.1:{port}")
    except (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError) as err:
        return fail(f"the functions work on what make run deployed to port {port}, and it is not there ({err}). First: make run PORT={port}")
    samples = {path: owner(path.stem, functions) for path in sorted(SAMPLES.glob("*.json"), key=lambda path: path.stem)}
    problems = [f"{path.name}: no function has this name" for path, name in samples.items() if name is None]
    problems += [f"{name}: no sample event in {SAMPLES.relative_to(ROOT)}" for name in functions if name not in samples.values()]
    if problems:
        return fail("\n".join(problems))

    with reachable(engine, port) as endpoint:
        template = for_containers(functions, endpoint)
        failed = [path.name for path, name in samples.items() if not invoke(template, functions[name]["id"], path)]
    if failed:
        return fail(f"{len(failed)} of {len(samples)} calls failed: {', '.join(failed)}")
    print(f"{len(samples)} calls of {len(functions)} functions answered")
    return 0


def deployed(endpoint: str) -> dict:
    """The stack's functions by the name of their directory: logical id, environment and architecture."""
    session = boto3.Session(aws_access_key_id="test", aws_secret_access_key="test", region_name="us-east-1")
    stack = session.client("cloudformation", endpoint_url=endpoint)
    functions = session.client("lambda", endpoint_url=endpoint)
    found = {}
    for resource in stack.describe_stack_resources(StackName=STACK)["StackResources"]:
        if resource["ResourceType"] == "AWS::Lambda::Function":
            physical = resource["PhysicalResourceId"]
            configuration = functions.get_function_configuration(FunctionName=physical)
            variables = configuration.get("Environment", {}).get("Variables", {})
            found[physical.removeprefix(f"{STACK}-")] = {
                "id": resource["LogicalResourceId"],
                "variables": variables,
                "architecture": configuration["Architectures"][0],
            }
    return found


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


def dated(sample: pathlib.Path) -> pathlib.Path:
    """A copy of the sample whose events happen now: of one that is too old, or dated ahead, no mail is written."""
    now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    event = json.loads(sample.read_text())
    for record in event.get("Records", []):
        with contextlib.suppress(KeyError, TypeError, json.JSONDecodeError):
            body = json.loads(record["body"])
            body["detail"]["time"] = now
            record["body"] = json.dumps(body, separators=(",", ":"))
    copy = BUILD / "samples" / sample.name
    copy.parent.mkdir(exist_ok=True)
    copy.write_text(json.dumps(event))
    return copy


def invoke(template: pathlib.Path, function: str, sample: pathlib.Path) -> bool:
    command = [sys.executable, "-m", "samcli", "local", "invoke", function, "--template", str(template), "--event", str(dated(sample))]
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
        print(f"FAIL {sample.name}: no answer within {INVOKE_SECONDS} s")
        return False
    answer = done.stdout.strip()
    # SAM exits 0 also when the handler failed.
    problem = trouble(answer, sample.stem) if done.returncode == 0 else f"sam exits {done.returncode}"
    print(f"{'FAIL' if problem else 'ok  '} {sample.name}: {answer[:200] or '(nothing)'}")
    if problem:
        print(f"     {problem}\n{done.stderr}")
    return not problem


def trouble(answer: str, sample: str) -> str:
    """What is wrong with a function's answer to a sample, or nothing."""
    refusal = REFUSED.get(sample)
    try:
        payload = json.loads(answer)
    except json.JSONDecodeError as err:
        return f"the answer is not JSON: {err}"
    failure = payload.get("errorType") if isinstance(payload, dict) else None
    if failure != refusal:
        return f"the handler failed with {failure}" if failure else f"the handler should have answered {refusal}"
    if isinstance(payload, dict) and payload.get("statusCode", 0) >= 500:
        return f"the handler answers status {payload['statusCode']}"
    if isinstance(payload, dict) and "batchItemFailures" in payload:
        unfit = sample.endswith("-poison") or sample in LACKING
        if unfit != bool(payload["batchItemFailures"]):
            return f"the handler should have {'failed a message' if unfit else 'done all messages'}"
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
