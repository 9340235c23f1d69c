#!/usr/bin/env python3
"""Runs microburst, the proxy that gives AWS's own errors on the wire, between a test and the local AWS.

    .tools/faults/bin/python infra/local/faults.py UPSTREAM [SEED]

It takes a free port of the loopback interface, prints its endpoint, and ends when its standard input does: so a test that is killed leaves nothing behind.
Rules come over microburst's control API. SEED is a whole number that its random choices begin with.
"""
import asyncio
import random
import socket
import sys

from aiohttp import web
from microburst.control import CONTROL_PREFIX
from microburst.core.pipeline import Microburst

REQUEST_BYTES = 16 * 1024 * 1024  # microburst's own command refuses what is above 1 MB, which is less than a transaction may have


def main() -> int:
    if len(sys.argv) not in (2, 3):
        print(__doc__, file=sys.stderr)
        return 2
    if len(sys.argv) == 3:
        random.seed(int(sys.argv[2]))
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))  # its control API asks nobody who they are
    listener.listen(128)
    microburst = Microburst(sys.argv[1], resign=False)
    app = web.Application(client_max_size=REQUEST_BYTES)
    app.on_startup.append(microburst.start)
    app.on_cleanup.append(microburst.stop)
    app.router.add_route("*", CONTROL_PREFIX + "/{tail:.*}", microburst.handle_control)
    app.router.add_route("*", "/{tail:.*}", microburst.handle_proxy)

    async def announce(_app: web.Application) -> None:
        # Not by the address: microburst takes a host with a dot for one of AWS's, and reads all of botocore's models to find out which, for three seconds.
        print(f"http://localhost:{listener.getsockname()[1]}", flush=True)

    async def end_with_input(_app: web.Application) -> None:
        loop = asyncio.get_running_loop()

        def read() -> None:
            if not sys.stdin.buffer.raw.read(1024):
                loop.remove_reader(sys.stdin)
                raise web.GracefulExit

        loop.add_reader(sys.stdin, read)

    app.on_startup.append(announce)
    app.on_startup.append(end_with_input)
    web.run_app(app, sock=listener, print=None, access_log=None, handler_cancellation=False, shutdown_timeout=0.1)
    return 0


if __name__ == "__main__":
    sys.exit(main())
