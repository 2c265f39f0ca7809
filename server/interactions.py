"""`POST /slack/interactions`: what salespeople click under an alert in Slack.

Signed by Slack (docs.slack.dev/authentication/verifying-requests-from-slack), answered at once: the message
itself changes through the outbox, see `alerts.clicks`.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

import msgspec
import structlog
from aiohttp import web
from redis.exceptions import RedisError
from slack_sdk.signature import Clock, SignatureVerifier

from alerts.clicks import Clicks
from alerts.messages import BLOCK_ID
from core.errors import StoreUnavailable
from server import state
from server.body import read_bounded
from server.errors import ApiError

log = structlog.get_logger()

#: Where the local outbox page sends its clicks, and who clicks there.
LOCAL = "/demo/slack/click"
YOU = "UYOU"
#: Slack wants an answer within three seconds.
ANSWER_S = 2.5
_PERSON = re.compile(r"[UW][A-Z0-9]{2,20}")
_ALERT = re.compile(r"[0-9a-f]{1,64}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Click:
    """One click: on what (`claim`, `release`, `snooze`, `unfit`, `open`), under which alert, by whom, when (epoch
    ms).
    """

    action: str
    alert_id: str
    by: str
    at: int
    choice: str = ""


async def interactions(request: web.Request) -> web.Response:
    """200 for every request that Slack has signed; 401 for others; 404 where no signing secret is set."""
    secret = request.app[state.SETTINGS].slack_signing_secret
    if not secret:
        raise web.HTTPNotFound
    body = await read_bounded(request)
    if not _signed(request, body, secret):
        raise ApiError(401, "bad_signature", "the request is not signed by Slack, or older than five minutes")
    clicks = Clicks(request.app[state.REDIS])
    try:
        async with asyncio.timeout(ANSWER_S):
            for click in clicks_in(body, now=request.app[state.CLOCK]()):
                await _do(clicks, click)
    except (RedisError, OSError, TimeoutError) as error:
        raise StoreUnavailable(f"a click was not recorded ({type(error).__name__})") from error
    return web.Response(headers={"Cache-Control": "private, no-store"})


def is_local(app: web.Application) -> bool:
    """Whether no Slack is connected: then the outbox page is where people click."""
    settings = app[state.SETTINGS]
    return not (settings.slack_bot_token or settings.slack_webhook_url)


async def local_click(request: web.Request) -> web.Response:
    """`POST /demo/slack/click`: a button of the local outbox page. 303 back to it; 404 once Slack is connected,
    403 for another site's form.
    """
    if not is_local(request.app):
        raise web.HTTPNotFound
    if request.headers.get("Sec-Fetch-Site", "same-origin") != "same-origin":
        raise web.HTTPForbidden
    form = parse_qs((await read_bounded(request)).decode(errors="replace"), max_num_fields=20)
    alert_id = form.get("block", [""])[0].removeprefix(BLOCK_ID)
    action, _, choice = form.get("click", [""])[0].partition(":")
    if _ALERT.fullmatch(alert_id):
        at = request.app[state.CLOCK]()
        click = Click(action=action, alert_id=alert_id, by=YOU, at=at, choice=choice)
        await _do(Clicks(request.app[state.REDIS]), click)
    raise web.HTTPSeeOther("/demo/slack")


def clicks_in(body: bytes, *, now: int) -> Iterator[Click]:
    """The clicks in a request's body; nothing for what is no click of ours. None is later than `now`."""
    payload = _payload(body)
    by, actions = _field(payload, "user", "id"), payload.get("actions")
    if payload.get("type") != "block_actions" or not isinstance(actions, list):
        return
    for action in actions:
        name, block = _field(action, "action_id"), _field(action, "block_id")
        alert_id = block.removeprefix(BLOCK_ID)
        if _PERSON.fullmatch(by) and block.startswith(BLOCK_ID) and _ALERT.fullmatch(alert_id):
            choice = _field(action, "selected_option", "value")
            at = min(_ms(_field(action, "action_ts")) or now, now)
            yield Click(action=name, alert_id=alert_id, by=by, at=at, choice=choice)


async def _do(clicks: Clicks, click: Click) -> None:
    if click.action == "claim":
        await clicks.claim(click.alert_id, by=click.by, at=click.at)
    elif click.action == "release":
        await clicks.release(click.alert_id, by=click.by, at=click.at)
    elif click.action == "snooze":
        await clicks.snooze(click.alert_id, click.choice, by=click.by, at=click.at)
    elif click.action == "unfit":
        await clicks.not_a_fit(click.alert_id, by=click.by, at=click.at)
    log.info("slack click", action=click.action, alert=click.alert_id)


class _Clock(Clock):
    """The server's clock, in seconds."""

    def __init__(self, now_ms: Callable[[], int]) -> None:
        self._now_ms = now_ms

    def now(self) -> float:
        return self._now_ms() / 1000


def _signed(request: web.Request, body: bytes, secret: str) -> bool:
    verifier = SignatureVerifier(secret, clock=_Clock(request.app[state.CLOCK]))
    try:
        return verifier.is_valid_request(body, dict(request.headers))
    except (ValueError, TypeError):  # a timestamp that is no number, a signature that is not ASCII
        return False


def _payload(body: bytes) -> dict[str, Any]:
    try:
        fields = parse_qs(body.decode(), max_num_fields=20)
        payload = msgspec.json.decode(fields.get("payload", ["{}"])[0])
    except (ValueError, RecursionError, msgspec.MsgspecError):
        return {}
    return payload if isinstance(payload, dict) else {}


def _field(data: Any, *path: str) -> str:
    for name in path:
        data = data.get(name) if isinstance(data, dict) else None
    return data if isinstance(data, str) else ""


def _ms(ts: str) -> int | None:
    """Slack's `1763780645.123456` in epoch ms."""
    try:
        return int(float(ts) * 1000)
    except (ValueError, OverflowError):
        return None


def add_interactions(app: web.Application) -> None:
    """Register the routes."""
    app.router.add_post("/slack/interactions", interactions)
    app.router.add_post(LOCAL, local_click)
