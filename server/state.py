"""What handlers share, by typed keys; made once in `server.app`."""

from __future__ import annotations

from collections.abc import Callable

from aiohttp import web
from redis.asyncio import Redis

from alerts.links import Links
from alerts.outbox import Outbox
from server.config import Settings
from server.geo import Places
from server.metrics import Metrics
from server.site_files import SiteFiles
from server.tokens import Tokens
from sites.registry import Registry
from storage.pipe import Pipe
from storage.profiles import ProfileReader
from streams.around import AroundReader
from streams.publisher import Publisher

SETTINGS = web.AppKey("settings", Settings)
REDIS: web.AppKey[Redis] = web.AppKey("redis", Redis)
REGISTRY = web.AppKey("registry", Registry)
PUBLISHER: web.AppKey[Publisher] = web.AppKey("publisher", Publisher)
#: For the path that every page view takes.
PIPE = web.AppKey("pipe", Pipe)
PROFILES = web.AppKey("profiles", ProfileReader)
LINKS = web.AppKey("links", Links)
AROUND = web.AppKey("around", AroundReader)
FILES = web.AppKey("files", SiteFiles)
PLACES = web.AppKey("places", Places)
OUTBOX = web.AppKey("outbox", Outbox)
TOKENS = web.AppKey("tokens", Tokens)
METRICS = web.AppKey("metrics", Metrics)
#: Epoch milliseconds.
CLOCK: web.AppKey[Callable[[], int]] = web.AppKey("clock", Callable)  # type: ignore[arg-type]
