"""Going out of service without losing anything: `/readyz` first, then the port, the requests, the spool."""

from __future__ import annotations

import asyncio

from aiohttp import web

#: How long `/readyz` is red before the port closes, so that a load balancer sends new visitors elsewhere.
NOTICE_S = 1.0
#: How long requests in hand may take after that. A request that holds out is cancelled after twice this.
REQUESTS_S = 5.0


class Drain:
    """Whether this process is going out of service."""

    def __init__(self) -> None:
        self.begun = False


DRAIN = web.AppKey("drain", Drain)


def add_drain(app: web.Application) -> None:
    """From the notice on, each answer closes its connection: the client's next one goes elsewhere."""
    app[DRAIN] = drain = Drain()

    async def close_connection(_request: web.Request, response: web.StreamResponse) -> None:
        if drain.begun:
            response.force_close()

    app.on_response_prepare.append(close_connection)


async def give_notice(runner: web.AppRunner, *, notice_s: float = NOTICE_S) -> None:
    """Turn `/readyz` red, and wait where somebody is connected who may want to know."""
    runner.app[DRAIN].begun = True
    if runner.server is not None and runner.server.connections:
        await asyncio.sleep(notice_s)
