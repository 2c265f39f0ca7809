"""Asking the web process that runs on this machine."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar
from urllib.error import HTTPError, URLError
from urllib.request import ProxyHandler, Request, build_opener

from core.errors import KizashiError, NotFound
from server.config import Settings, ensure_secrets

T = TypeVar("T")

TIMEOUT_S = 10.0


def local_url(settings: Settings) -> str:
    """Where this machine reaches the web process: an address that means "all" is none to connect to."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.host, settings.host)  # noqa: S104
    return f"http://{f'[{host}]' if ':' in host else host}:{settings.port}"


def get(
    settings: Settings, path: str, *, token: str | None = None, method: str = "GET", body: Any = None
) -> bytes:
    """The body of a 2xx answer. `body` is sent as JSON. Raises urllib's HTTPError or URLError."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    opener = build_opener(ProxyHandler({}))  # this machine is never reached through a proxy
    data = None if body is None else json.dumps(body).encode()
    request = Request(local_url(settings) + path, data=data, headers=headers, method=method)  # noqa: S310
    with opener.open(request, timeout=TIMEOUT_S) as answer:
        return bytes(answer.read())


def text(settings: Settings, path: str, *, token: str | None) -> str:
    """The text at `path`. Raises as `admin` does."""
    return _asked(settings, lambda: get(settings, path, token=token).decode())


def admin(settings: Settings, path: str, *, method: str = "GET", body: Any = None) -> Any:
    """The parsed JSON at `/v1/admin` + `path`. Raises NotFound, or KizashiError saying what went wrong."""
    token = ensure_secrets(settings).admin_token
    ask = partial(get, settings, "/v1/admin" + path, token=token, method=method, body=body)
    return json.loads(_asked(settings, ask))


def _asked(settings: Settings, ask: Callable[[], T]) -> T:
    try:
        return ask()
    except HTTPError as error:
        detail = error.read(500).decode(errors="replace")
        raise (NotFound if error.code == 404 else KizashiError)(_message(detail, error.code)) from None
    except (URLError, OSError) as error:
        raise KizashiError(f"web does not answer at {local_url(settings)}: {error}") from None


def _message(body: str, status: int) -> str:
    try:
        return str(json.loads(body)["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return f"web answered {status}"
