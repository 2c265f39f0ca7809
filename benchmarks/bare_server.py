"""The beacon's yardstick: bare aiohttp, reads the body, answers 204. `python -m benchmarks.bare_server PORT`"""

from __future__ import annotations

import asyncio
import sys

import uvloop
from aiohttp import web


async def _answer(request: web.Request) -> web.Response:
    await request.read()
    return web.Response(status=204)


async def main(port: int) -> None:
    """Serve for ever."""
    app = web.Application()
    app.router.add_post("/v1/beacon", _answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1])))
