#!/usr/bin/env python3
"""load.py [--base CHECKOUT] [--rounds N] [--orders N] [--concurrency N]

Sends purchases of the data set's shop to a deployment of this checkout and, side by side, to one of another checkout, round by
round in turn. Each has a local AWS of its own, built by its own make deploy-local, and each round its own importer. What is
measured is the same for both: the times of the events in the events table, which the machine's one clock has dated.

Prints for each round, and as medians with their spread: orders a second, from the first order placed to the last one decided;
and the time from placed to decided (confirmed or cancelled) and to finished (delivered or cancelled). With another checkout also
the ratio of the medians. CPU is for each order, of the emulator's process and of the functions that it starts. Exits with 1 where the two have not done the same work.
"""
import argparse
import datetime
import os
import pathlib
import re
import statistics
import subprocess
import sys

import boto3

HERE = pathlib.Path(__file__).resolve().parents[2]
STACK = "orderflow-local"
DECIDED = {"order.confirmed", "order.cancelled"}
FINISHED = {"order.delivered", "order.cancelled"}


class Deployment:
    """A checkout, deployed to a local AWS of its own."""

    def __init__(self, name: str, checkout: pathlib.Path, port: int):
        self.name, self.checkout, self.port = name, checkout, port
        self.rounds: list[dict] = []

    def start(self) -> None:
        say(f"{self.name}: deploying {self.checkout}")
        self.run("make", "deploy-local", "bin/orderflow", f"PORT={self.port}")
        self.aws = dict(endpoint_url=f"http://127.0.0.1:{self.port}", region_name="us-east-1",
                        aws_access_key_id="test", aws_secret_access_key="test")
        outputs = boto3.client("cloudformation", **self.aws).describe_stacks(StackName=STACK)["Stacks"][0]["Outputs"]
        self.pid = int(re.search(r"pid (\d+)", self.run("make", "status", f"PORT={self.port}").splitlines()[-1]).group(1))
        self.events = next(o["OutputValue"] for o in outputs if o["OutputKey"] == "EventsTable")

    def stop(self) -> None:
        self.run("make", "stop", f"PORT={self.port}")

    def run(self, *command: str, **variables: str) -> str:
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "MAKE", "MFLAGS", "PORT", "LIMIT"))}
        done = subprocess.run(command, cwd=self.checkout, env=clean | variables, text=True, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT)
        if done.returncode:
            fail(f"{self.name}: {' '.join(command)} ends with {done.returncode}:\n{done.stdout}")
        return done.stdout

    def round(self, offset: int, orders: int, concurrency: int) -> None:
        began, used = datetime.datetime.now(datetime.timezone.utc), cpu_seconds(self.pid)
        self.run("bin/orderflow", "import", "cdnow", "events/samples/cdnow/CDNOW_sample.txt", "--limit", str(orders),
                 "--offset", str(offset), "--concurrency", str(concurrency),
                 AWS_ENDPOINT_URL=self.aws["endpoint_url"], AWS_ACCESS_KEY_ID="test", AWS_SECRET_ACCESS_KEY="test",
                 AWS_REGION="us-east-1", AWS_CONFIG_FILE="/dev/null", AWS_SHARED_CREDENTIALS_FILE="/dev/null",
                 ORDERFLOW_STACK=STACK, NO_PROXY="127.0.0.1,localhost")
        result = measure(self.orders_since(began))
        for part, before, after in zip(("emulator", "functions"), used, cpu_seconds(self.pid)):
            result[part] = (after - before) * 1000 / result["orders"]
        self.rounds.append(result)
        say(f"{self.name}: {result['orders']} orders, {result['rate']:.1f}/s, decided p50 {result['decided']:.2f} s, "
            f"finished p50 {result['finished']:.2f} s")

    def orders_since(self, began: datetime.datetime) -> dict[str, list[tuple[datetime.datetime, str]]]:
        """The events of the orders that were placed since then, as (time, type)."""
        found: dict[str, list[tuple[datetime.datetime, str]]] = {}
        placed = set()
        pages = boto3.client("dynamodb", **self.aws).get_paginator("scan").paginate(
            TableName=self.events, FilterExpression="begins_with(#stream, :order) AND #time >= :began",
            ExpressionAttributeNames={"#stream": "stream", "#time": "time"},
            ExpressionAttributeValues={":order": {"S": "order/"}, ":began": {"S": began.isoformat()[:19]}})
        for page in pages:
            for item in page["Items"]:
                stream, at = item["stream"]["S"], moment(item["time"]["S"])
                if item["version"]["N"] == "1":
                    placed.add(stream)
                    found.setdefault(stream, []).append((at, "order.placed"))
                    continue
                for event in item["events"]["L"]:
                    found.setdefault(stream, []).append((at, event["M"]["type"]["S"]))
        return {stream: events for stream, events in found.items() if stream in placed}


def measure(orders: dict[str, list[tuple[datetime.datetime, str]]]) -> dict:
    placed, decided, waits, ends = [], [], [], []
    outcomes: dict[str, int] = {}
    for stream, events in orders.items():
        at = {kind: when for when, kind in sorted(events, reverse=True)}  # the first of each kind
        final = [at[kind] for kind in DECIDED if kind in at]
        finished = [at[kind] for kind in FINISHED if kind in at]
        if not final or not finished:
            fail(f"{stream} has not finished: {sorted(events)}")
        outcome = "cancelled" if "order.cancelled" in at else "delivered"
        outcomes[outcome] = outcomes.get(outcome, 0) + 1
        placed.append(at["order.placed"])
        decided.append(min(final))
        waits.append((min(final) - at["order.placed"]).total_seconds())
        ends.append((min(finished) - at["order.placed"]).total_seconds())
    return {"orders": len(orders), "outcomes": outcomes, "decided": statistics.median(waits),
            "finished": statistics.median(ends),
            "rate": len(orders) / (max(decided) - min(placed)).total_seconds()}


def moment(text: str) -> datetime.datetime:
    """A time as the store writes it: RFC 3339 with up to nine digits of a second, of which Python takes six."""
    return datetime.datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", text).replace("Z", "+00:00"))


def cpu_seconds(emulator: int) -> tuple[float, float]:
    """The CPU time so far of the local AWS itself, and of the functions, which are its children; of those that have ended too."""
    tick, stats = os.sysconf("SC_CLK_TCK"), {}
    for path in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:  # it has just ended
            continue
        stats[int(path.parent.name)] = (int(fields[1]), [int(f) / tick for f in fields[11:15]])
    own = stats[emulator][1]
    family, functions = {emulator}, own[2] + own[3]
    grown = True
    while grown:
        grown = False
        for pid, (parent, times) in stats.items():
            if parent in family and pid not in family:
                family.add(pid)
                functions += sum(times)
                grown = True
    return own[0] + own[1], functions


def report(deployments: list[Deployment]) -> None:
    print(f"\n{'':14}{'orders/s':>22}{'placed to decided':>24}{'placed to finished':>24}"
          f"{'CPU of local AWS':>26}{'CPU of functions':>26}")
    for d in deployments:
        cells = []
        for figure, unit in (("rate", ""), ("decided", " s"), ("finished", " s"),
                             ("emulator", " ms"), ("functions", " ms")):
            values = [r[figure] for r in d.rounds]
            cells.append(f"{statistics.median(values):.2f}{unit} ({min(values):.2f}–{max(values):.2f})")
        print(f"{d.name:14}{cells[0]:>22}{cells[1]:>24}{cells[2]:>24}{cells[3]:>26}{cells[4]:>26}")
    if len(deployments) == 2:
        ratio = [statistics.median(r[f] for r in deployments[0].rounds) / statistics.median(r[f] for r in deployments[1].rounds)
                 for f in ("rate", "decided", "finished", "emulator", "functions")]
        print(f"{'ratio':14}{ratio[0]:>21.2f}×{ratio[1]:>23.2f}×{ratio[2]:>23.2f}×"
              f"{ratio[3]:>25.2f}×{ratio[4]:>25.2f}×")
        print("Medians of rounds (least–most); the ratio is this checkout's median by the other's.")


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def fail(text: str) -> None:
    say(f"error: {text}")
    sys.exit(1)


def main() -> None:
    args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    args.add_argument("--base", type=pathlib.Path, help="another checkout to measure beside this one")
    args.add_argument("--rounds", type=int, default=3)
    args.add_argument("--orders", type=int, default=80, help="of a round")
    args.add_argument("--concurrency", type=int, default=8, help="orders under way at once")
    args.add_argument("--port", type=int, default=4620, help="of this checkout's local AWS; the other one has the next")
    args = args.parse_args()
    if min(args.rounds, args.orders, args.concurrency) < 1:
        fail("rounds, orders and concurrency: expected 1 or more")
    deployments = [Deployment("this checkout", HERE, args.port)]
    if args.base:
        base = args.base.resolve()
        if not (base / "Makefile").is_file() or base == HERE:
            fail(f"BASE: expected another checkout, got {args.base}")
        deployments.append(Deployment("the other", base, args.port + 1))
    started = []
    try:
        for d in deployments:
            started.append(d)
            d.start()
        for d in deployments:  # functions have started, and caches are warm
            d.round(0, args.concurrency, args.concurrency)
            d.rounds.clear()
        for n in range(args.rounds):
            for d in deployments if n % 2 == 0 else reversed(deployments):
                d.round(n * args.orders, args.orders, args.concurrency)
    finally:
        for d in started:
            d.stop()
    report(deployments)
    work = [[r["outcomes"] for r in d.rounds] for d in deployments]
    if any(w != work[0] for w in work):
        fail(f"not the same work was done: {work}")


main()
