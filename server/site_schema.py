"""`GET /site.schema.json`: the site file's JSON Schema, for editors."""

from __future__ import annotations

from hashlib import blake2b

import orjson
from aiohttp import web

from sites.schema import json_schema


def add_schema(app: web.Application) -> None:
    """Register the route. The schema is this version's: it changes with an upgrade alone."""
    body = orjson.dumps(json_schema(), option=orjson.OPT_INDENT_2)
    tag = blake2b(body, digest_size=8).hexdigest()

    async def schema(request: web.Request) -> web.Response:
        known = request.if_none_match or ()
        headers = {
            "Cache-Control": "public, max-age=300",
            "Access-Control-Allow-Origin": "*",
            "ETag": f'"{tag}"',
        }
        if any(one.value == tag for one in known):
            return web.Response(status=304, headers=headers)
        return web.Response(body=body, content_type="application/schema+json", headers=headers)

    app.router.add_get("/site.schema.json", schema)
