#!/usr/bin/env python3
"""Runs a command beside a DynamoDB Local of its own, on a free port and in memory, which ends with the command.

    dynamodb_local.py COMMAND [ARGUMENT...]

The command finds its URL in ORDERFLOW_DYNAMODB_LOCAL_ENDPOINT. The exit code is the command's.
"""
import ctypes
import http.client
import os
import pathlib
import signal
import socket
import subprocess
import sys
import tempfile
import time

LIB = pathlib.Path(__file__).resolve().parents[2] / ".tools" / "dynamodb-local" / "lib"
HOST = "127.0.0.1"
START_SECONDS = 90  # two busy cores need tens of seconds; a start takes four
STOP_SECONDS = 5
PR_SET_PDEATHSIG = 1


def main() -> int:
    if len(sys.argv) < 2:
        print(__doc__, file=sys.stderr)
        return 2
    port = free_port()
    with tempfile.TemporaryDirectory() as directory, open(pathlib.Path(directory, "log"), "w+b") as log:
        # It would report each start to its maker.
        command = ["java", "-Xmx1g", f"-Djava.library.path={LIB}", "-cp", f"{LIB}/*", "com.amazonaws.services.dynamodbv2.local.main.ServerRunner",
                   "-inMemory", "-disableTelemetry", "-port", str(port)]
        # A session of its own: Ctrl-C in make's terminal is for the command, which may still want to delete its tables.
        database = subprocess.Popen(command, cwd=directory, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, preexec_fn=end_with_parent)
        try:
            trouble = wait_ready(database, port)
            if trouble:
                log.seek(0)
                tail = "\n".join(log.read().decode(errors="replace").splitlines()[-20:])
                print(f"error: DynamoDB Local on port {port} {trouble}; the end of its log:\n{tail}", file=sys.stderr)
                return 1
            return run(sys.argv[1:], os.environ | {"ORDERFLOW_DYNAMODB_LOCAL_ENDPOINT": f"http://{HOST}:{port}"})
        finally:
            database.terminate()
            try:
                database.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                database.kill()
                database.wait()


def run(command: list[str], environment: dict[str, str]) -> int:
    process = subprocess.Popen(command, env=environment)
    signal.signal(signal.SIGTERM, lambda *_: process.terminate())
    signal.signal(signal.SIGINT, lambda *_: None)  # the terminal sends it to the command too, which says when it has ended
    code = process.wait()
    return 128 - code if code < 0 else code


def end_with_parent() -> None:
    """Lets the kernel end this process when the parent has ended, even if that was killed."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def wait_ready(process: subprocess.Popen, port: int) -> str:
    """Waits until it answers. Returns what is wrong, or "" where nothing is."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            return "ended while starting"
        connection = http.client.HTTPConnection(HOST, port, timeout=5)
        try:
            connection.request("GET", "/")
            connection.getresponse()  # it refuses a request without a signature, and has started by then
            return ""
        except (OSError, http.client.HTTPException):
            time.sleep(0.05)
        finally:
            connection.close()
    return f"does not answer after {START_SECONDS} s"


def free_port() -> int:
    with socket.socket() as s:
        s.bind((HOST, 0))
        return s.getsockname()[1]


if __name__ == "__main__":
    sys.exit(main())
