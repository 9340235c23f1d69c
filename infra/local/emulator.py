#!/usr/bin/env python3
"""Starts and ends the local AWS (MiniStack) that make run and make test deploy to.

    emulator.py start [--port N] [--for run|test] [--until-pid PID] [--functions-endpoint URL]   prints the endpoint; 0 takes a free port
    emulator.py stop [--port N] [--for run|test]
    emulator.py status [--for run|test]
    emulator.py clean

An instance keeps pid, log and all that it writes under .local/ of this checkout: in <port>/ for make run, in test-<port>/ for make test.
While it lives it holds a lock on its pid file, so a pid that was given to another process is never taken for it.
"""
import argparse
import contextlib
import email.utils
import fcntl
import functools
import http.client
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
LOCAL = ROOT / ".local"
PYTHON = ROOT / ".tools" / "emulator" / "bin" / "python"
HOST = "127.0.0.1"  # whoever reaches the port runs code of their choice, so the network must not
START_SECONDS = 90  # a cold disk and two busy cores need tens of seconds; a start takes two
STOP_SECONDS = 5


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=["start", "stop", "status", "clean", "serve"])
    parser.add_argument("--port", type=port_number)
    parser.add_argument("--for", dest="purpose", choices=["run", "test"], default="run")
    parser.add_argument("--until-pid", type=int, help="end when this process has ended, even if nobody says stop")
    parser.add_argument("--functions-endpoint", help="the AWS endpoint that functions get, for a proxy in between; the emulator itself otherwise")
    args = parser.parse_args()
    return {"start": start, "serve": serve, "stop": stop, "status": status, "clean": clean}[args.command](args)


def port_number(text: str) -> int:
    """A port, or 0 for any that is free. In decimal digits without leading zeros, as everywhere."""
    if not (re.fullmatch("0|[1-9][0-9]{0,4}", text) and int(text) < 65536):
        print(f"error: PORT is a number from 1 to 65535 in decimal digits, not {text or 'empty'}", file=sys.stderr)
        raise SystemExit(1)
    return int(text)


class Instance:
    """One emulator's directory, and what it tells about the process."""

    def __init__(self, directory: pathlib.Path):
        self.directory = directory
        self.pid_file = directory / "emulator.pid"
        self.log = directory / "emulator.log"
        self.port = int(directory.name.rpartition("-")[2])

    @classmethod
    def at(cls, purpose: str, port: int) -> "Instance":
        return cls(LOCAL / (f"test-{port}" if purpose == "test" else str(port)))

    @classmethod
    def all(cls, purpose: str) -> list["Instance"]:
        pattern = "test-[0-9]*" if purpose == "test" else "[0-9]*"
        return [cls(d) for d in sorted(LOCAL.glob(pattern)) if d.is_dir() and d.name.rpartition("-")[2].isdigit()]

    @property
    def endpoint(self) -> str:
        return f"http://{HOST}:{self.port}"

    def pid(self) -> int | None:
        """The pid of the live process, or None."""
        try:
            with open(self.pid_file, encoding="ascii") as f:
                try:
                    fcntl.flock(f, fcntl.LOCK_SH | fcntl.LOCK_NB)
                    return None
                except BlockingIOError:
                    return int(f.read() or 0) or None
        except FileNotFoundError:
            return None

    def healthy(self) -> bool:
        connection = http.client.HTTPConnection(HOST, self.port, timeout=5)
        try:
            connection.request("GET", "/_ministack/health")
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def log_tail(self) -> str:
        with contextlib.suppress(FileNotFoundError):
            return "\n".join(self.log.read_text(errors="replace").splitlines()[-20:])
        return "(no log)"


def start(args) -> int:
    LOCAL.mkdir(exist_ok=True)
    with open(LOCAL / "start.lock", "w", encoding="ascii") as lock:  # two starts at once must not both find the port free
        fcntl.flock(lock, fcntl.LOCK_EX)
        port = args.port or free_port()
        instance = Instance.at(args.purpose, port)
        pid, process = instance.pid(), None
        if pid:
            say(f"using the emulator that runs on {instance.endpoint} (pid {pid})")
        elif taken(port):
            return fail(f"port {port} is taken by a process that is not this checkout's emulator. End that one, or choose another: PORT={port + 1}")
        else:
            process = launch(instance, args)
        if not wait_healthy(instance, process):
            if process:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
            return 1
    print(instance.endpoint)
    return 0


def launch(instance: Instance, args) -> subprocess.Popen:
    # What an earlier instance left would only mislead: nothing in it is read again.
    shutil.rmtree(instance.directory, ignore_errors=True)
    (instance.directory / "tmp").mkdir(parents=True)
    command = [str(PYTHON), str(pathlib.Path(__file__).resolve()), "serve", "--for", args.purpose, "--port", str(instance.port)]
    if args.until_pid:
        command += ["--until-pid", str(args.until_pid)]
    # A short list instead of the caller's environment: the emulator hands its own to every function, and real credentials have no place there.
    environment = {
        "PATH": os.environ.get("PATH", os.defpath),
        "LANG": "C.UTF-8",
        "TZ": "UTC",
        "HOME": str(instance.directory),
        "TMPDIR": str(instance.directory / "tmp"),
        "STATE_DIR": str(instance.directory / "state"),
        "S3_DATA_DIR": str(instance.directory / "s3"),
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": args.functions_endpoint or instance.endpoint,
        "GATEWAY_PORT": str(instance.port),
        "BIND_HOST": HOST,
        # Tests of what happens when every retry is spent don't wait for the pauses between them. The time-outs stay as they are.
        "SFN_WAIT_SCALE": "0" if args.purpose == "test" else "1",
        "AUTH": "true",  # a function may do what its role allows and nothing else, as on AWS
        # Listeners on fixed ports, which would let only one emulator run on a machine.
        "IOT_MTLS_ENABLED": "0",
        "SFTP_ENABLED": "0",
        # It would remove the containers of other emulators from the machine's Docker.
        "DOCKER_HOST": f"unix://{instance.directory}/no-docker.sock",
    }
    with open(instance.log, "wb") as log:
        # A session of its own: Ctrl-C in make's terminal does not end it, and stop can reach it and its functions as one group.
        return subprocess.Popen(command, cwd=instance.directory, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)


def wait_healthy(instance: Instance, process: subprocess.Popen | None) -> bool:
    deadline = time.monotonic() + START_SECONDS
    trouble = f"is not healthy after {START_SECONDS} s"
    while time.monotonic() < deadline:
        if instance.pid() and instance.healthy():
            return True
        if (process.poll() is not None) if process else (instance.pid() is None):
            trouble = "ended while starting"
            break
        time.sleep(0.05)
    say(f"error: the emulator on port {instance.port} {trouble}; the end of {instance.log}:\n{instance.log_tail()}")
    return False


def serve(args) -> int:
    """Runs the emulator in this process. Only start calls it, with the environment that it needs."""
    instance = Instance.at(args.purpose, args.port)
    pid_file = open(instance.pid_file, "a", encoding="ascii")
    for _ in range(100):  # somebody who asks for the pid holds the lock for an instant
        try:
            fcntl.flock(pid_file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except BlockingIOError:
            time.sleep(0.02)
    else:
        return fail(f"another emulator holds {instance.pid_file}")
    pid_file.truncate(0)
    pid_file.write(str(os.getpid()))
    pid_file.flush()
    if args.until_pid:
        threading.Thread(target=end_with, args=(args.until_pid,), daemon=True).start()

    import socketserver

    # Lambda's runtime API writes an answer in small pieces; with Nagle's algorithm each invocation waits 40 ms twice.
    socketserver.StreamRequestHandler.disable_nagle_algorithm = True
    from ministack import app

    ask_as_ses(app)
    tell_as_ses()
    pass_conditions()
    say_whose_dead_letters()
    configure_by_alias()
    wait_as_told()
    remember_answers()
    serve_by_uvicorn()
    sys.argv = ["ministack"]
    app.main()
    return 0


def ask_as_ses(app) -> None:
    """SES asks IAM whether the caller may send from an address: as its identity, in the sandbox to the recipients' identities, and by a configuration set.
    MiniStack asks whether they may send at all, which a role that names any of these may not."""
    from ministack.core.responses import get_account_id

    enforce = app._enforce_ses_v2

    def asked(method, path, headers, body, query_params, request_id):
        if method != "POST" or path != "/v2/email/outbound-emails":
            return enforce(method, path, headers, body, query_params, request_id)
        request = json.loads(body)
        sender = email.utils.parseaddr(request.get("FromEmailAddress", ""))[1]
        names = [f"identity/{address}" for address in [sender, *request.get("Destination", {}).get("ToAddresses", [])]]
        if request.get("ConfigurationSetName"):
            names.append(f"configuration-set/{request['ConfigurationSetName']}")
        for name in names:
            arn = f"arn:aws:ses:{app.extract_region(headers, query_params)}:{get_account_id()}:{name}"
            if denied := app._enforce_data_plane("sesv2", "ses:SendEmail", headers, query_params, request_id, resource_arn=arn,
                                                 service_context={"ses:FromAddress": sender}, named_resource=arn):
                return denied
        return None

    app._enforce_ses_v2 = asked


def tell_as_ses() -> None:
    """A mail to bounce@simulator.amazonses.com bounces and one to complaint@ is called spam; a name may have a label behind a +. SES tells of it where the
    mail's configuration set says, with the mail's tags. MiniStack knows the simulator for the topics of an identity, and not for configuration sets."""
    from ministack.services import eventbridge, ses, ses_v2

    handle, told = ses_v2.handle_request, {"Bounce": "Email Bounced", "Complaint": "Email Complaint Received"}

    async def handled(method, path, headers, body, query_params):
        answer = await handle(method, path, headers, body, query_params)
        if method == "POST" and path == "/v2/email/outbound-emails" and answer[0] == 200:
            tell(json.loads(body), json.loads(answer[2])["MessageId"])
        return answer

    def tell(request, message):
        name = request.get("ConfigurationSetName")
        destinations = (ses_v2._config_sets.get(name) or {}).get("EventDestinations", {}).values()
        wanted = {kind for d in destinations if d["Enabled"] and d.get("EventBridgeDestination") for kind in d["MatchingEventTypes"]}
        now = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime())
        tags = {tag["Name"]: [tag["Value"]] for tag in request.get("EmailTags") or []}
        for recipient in request.get("Destination", {}).get("ToAddresses", []):
            local, _, domain = recipient.partition("@")
            for kind, subtype in ses._SIMULATOR_OUTCOMES.get(local.split("+")[0], ()) if domain == ses._SIMULATOR_DOMAIN else ():
                if kind.upper() in wanted and kind in told:
                    detail = {"eventType": kind, **ses._notification_detail(kind, recipient, now, subtype),
                              "mail": {"timestamp": now, "source": request["FromEmailAddress"], "messageId": message, "destination": [recipient],
                                       "headersTruncated": False, "tags": {**tags, "ses:configuration-set": [name]}}}
                    eventbridge._put_events({"Entries": [{"Source": "aws.ses", "DetailType": told[kind], "Detail": json.dumps(detail)}]},
                                            allow_aws_source=True)

    ses_v2.handle_request = handled


def pass_conditions() -> None:
    """IAM decides by what a service takes out of the request: on a use of a key by the encryption context, on events by their sources and types. MiniStack
    takes neither out, as if no request had any."""
    from ministack.core import iam_actions

    tags = iam_actions.request_tag_context

    def taken(service, action, body, params):
        context = tags(service, action, body, params)
        if service == "kms":
            given = json.loads(body or b"{}").get("EncryptionContext") or {}
            context |= {f"kms:EncryptionContext:{key}": value for key, value in given.items()}
            context |= {"kms:EncryptionContextKeys": list(given)} if given else {}
        if action == "events:PutEvents":
            entries = json.loads(body or b"{}").get("Entries", [])
            for key, field in {"events:source": "Source", "events:detail-type": "DetailType"}.items():
                if entries and all(field in entry for entry in entries):
                    context[key] = sorted({entry[field] for entry in entries})
        return context

    iam_actions.request_tag_context = taken


def say_whose_dead_letters() -> None:
    """SQS says of a message that it moved to a dead-letter queue from which queue, and Lambda hands that on. MiniStack's SQS says so, its Lambda leaves it out."""
    from ministack.services import lambda_svc

    run = lambda_svc._run_sqs_batch

    def with_source(esm, function, event, batch, queue_url, queue_name):
        sources = {message["id"]: message.get("sys", {}).get("DeadLetterQueueSourceArn") for message in batch}
        for record in event["Records"]:
            if source := sources.get(record["messageId"]):
                record["attributes"]["DeadLetterQueueSourceArn"] = source
        return run(esm, function, event, batch, queue_url, queue_name)

    lambda_svc._run_sqs_batch = with_source


def configure_by_alias() -> None:
    """An asynchronous invocation by an alias is retried, and given up to a queue, as the alias is configured. MiniStack goes by the function's own
    configuration alone, and an invocation by an alias that fails would leave nothing behind."""
    from ministack.services import lambda_svc

    invoke = lambda_svc.invoke_async_with_retry

    def configured(version, event):
        config = version.get("config") or version
        function = lambda_svc._functions.get(config["FunctionName"]) or {}
        for alias in (function.get("aliases") or {}).values():
            given = (function.get("event_invoke_configs") or {}).get(alias["Name"])
            if given and alias["FunctionVersion"] == config.get("Version"):
                version = {**version, "event_invoke_config": given}
        return invoke(version, event)

    lambda_svc.invoke_async_with_retry = configured


def wait_as_told() -> None:
    """Each try of a task that waits has a token of its own, a TimeoutSeconds may be an expression, and a function that fails fails the task. MiniStack keeps the
    first try's token, fails the execution at an expression, and waits on."""
    from ministack.services import stepfunctions as sfn

    arguments, wait, invoke = sfn._apply_jsonata_arguments, sfn._invoke_with_callback, sfn._call_lambda
    tried = threading.local()  # the arguments of a try and its wait are worked out in the execution's own thread

    def with_own_token(state, raw_input, ctx=None):
        if ".waitForTaskToken" in state.get("Resource", ""):
            ctx["Task"] = {"Token": sfn.new_uuid()}
            tried.seconds = sfn._apply_jsonata_template(state.get("TimeoutSeconds", 99999), raw_input, ctx)
        return arguments(state, raw_input, ctx)

    def waiting(resource, input_data, token, state):
        state = {**state, "TimeoutSeconds": tried.seconds}
        tried.token = token if "lambda:invoke" in resource else None
        try:
            return wait(resource, input_data, token, state)
        finally:
            tried.token = None

    def called(func_ref, event):
        try:
            return invoke(func_ref, event)
        except sfn._ExecutionError as failure:
            token = getattr(tried, "token", None)
            if token:  # what waits for an answer would swallow it: it gets the failure for one
                sfn._task_tokens[token]["error"] = {"Error": failure.error, "Cause": failure.cause}
                sfn._task_tokens[token]["event"].set()
            raise

    sfn._apply_jsonata_arguments, sfn._invoke_with_callback, sfn._call_lambda = with_own_token, waiting, called


def remember_answers() -> None:
    """Keeps what MiniStack works out anew for each request, though it follows from its input alone: what a policy's text says, whether a pattern fits, the
    key that signs on a day, whether a token's signature holds, what an expression is made of. A role's policies, a token's end and all else that may change
    are still looked up for each request, so that a policy that is changed counts from the next one on."""
    from ministack.core import iam_evaluator, sigv4
    from ministack.services import apigateway, dynamodb

    remembered = functools.lru_cache(maxsize=16384)  # more than a stack has of each; what isn't used any more makes room

    parse, read = iam_evaluator.parse_policy_document, remembered(iam_evaluator.parse_policy_document)
    iam_evaluator.parse_policy_document = lambda document: read(document) if isinstance(document, str) else parse(document)
    iam_evaluator.fnmatch_iam = remembered(iam_evaluator.fnmatch_iam)
    iam_evaluator.fnmatch_iam_cs = remembered(iam_evaluator.fnmatch_iam_cs)
    sigv4.derive_signing_key = remembered(sigv4.derive_signing_key)

    verify = apigateway._verify_rs256_signature
    holds = remembered(lambda token, modulus, exponent: verify(token, {"n": modulus, "e": exponent}))
    apigateway._verify_rs256_signature = lambda token, jwk: holds(token, jwk.get("n", ""), jwk.get("e", ""))

    dynamodb._condition_syntax_error = remembered(dynamodb._condition_syntax_error)
    tokens = remembered(dynamodb._tokenize)
    dynamodb._tokenize = lambda expression: list(tokens(expression))  # whoever gets the list may change it


def serve_by_uvicorn() -> None:
    """Has uvicorn speak HTTP, whose parser is compiled. Hypercorn, which MiniStack brings, spends two fifths of a request on it."""
    import hypercorn.asyncio
    import uvicorn

    async def serve_app(app, config) -> None:
        host, _, port = config.bind[0].rpartition(":")
        settings = uvicorn.Config(
            app, host=host, port=int(port), http="httptools", ws="none", lifespan="on", access_log=False, log_config=None,
            proxy_headers=False, server_header=False, date_header=False,  # the app has its own Date
            timeout_keep_alive=int(config.keep_alive_timeout), timeout_graceful_shutdown=1)
        await uvicorn.Server(settings).serve()

    hypercorn.asyncio.serve = serve_app


def end_with(pid: int) -> None:
    while True:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            os.killpg(os.getpgid(0), signal.SIGKILL)
        except PermissionError:
            pass
        time.sleep(1)


def stop(args) -> int:
    instances = Instance.all(args.purpose) if args.port is None else [Instance.at(args.purpose, args.port)]
    ended = 0
    for instance in instances:
        pid = instance.pid()
        if pid is None:
            continue
        # The functions' processes are in the emulator's group; none of them has anything to save.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGTERM)
        deadline = time.monotonic() + STOP_SECONDS
        while time.monotonic() < deadline and group_lives(pid):
            time.sleep(0.05)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, signal.SIGKILL)
        deadline = time.monotonic() + STOP_SECONDS
        while instance.pid() is not None:
            if time.monotonic() > deadline:
                return fail(f"the emulator on port {instance.port} (pid {pid}) does not end")
            time.sleep(0.05)
        instance.pid_file.unlink(missing_ok=True)
        say(f"ended the emulator on {instance.endpoint} (pid {pid})")
        ended += 1
    if ended == 0:
        say("no emulator of this checkout is running")
    return 0


def group_lives(group: int) -> bool:
    try:
        os.killpg(group, 0)
        return True
    except (ProcessLookupError, PermissionError):
        return False


def status(args) -> int:
    running = [i for i in Instance.all(args.purpose) if i.pid()]
    for instance in running:
        print(f"{instance.endpoint}  pid {instance.pid()}  {'healthy' if instance.healthy() else 'not answering'}  log {instance.log}")
    if not running:
        say("no emulator of this checkout is running")
    return 0 if running else 1


def clean(_args) -> int:
    for purpose in ("run", "test"):
        for instance in Instance.all(purpose):
            if instance.pid() is None:
                shutil.rmtree(instance.directory)
            else:
                say(f"kept {instance.directory}: its emulator runs")
    return 0


def free_port() -> int:
    with socket.socket() as s:
        s.bind((HOST, 0))
        return s.getsockname()[1]


def taken(port: int) -> bool:
    with socket.socket() as s:
        s.settimeout(2)
        return s.connect_ex((HOST, port)) == 0


def say(text: str) -> None:
    print(text, file=sys.stderr)


def fail(text: str) -> int:
    say(f"error: {text}")
    return 1


if __name__ == "__main__":
    sys.exit(main())
