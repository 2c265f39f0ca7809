"""Errors as the API answers them: 4xx/5xx with `{"error": {"code", "field", "message"}}`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import orjson
import structlog
from aiohttp import web
from redis.exceptions import ConnectionError as Away
from redis.exceptions import OutOfMemoryError
from redis.exceptions import TimeoutError as Silent

from core.errors import KizashiError, NotFound, StoreUnavailable

log = structlog.get_logger()
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

#: What the store and its clients raise when asking again later may succeed.
_AGAIN_LATER = (StoreUnavailable, Away, Silent, OutOfMemoryError)


class ApiError(KizashiError):
    """A request that cannot be served."""

    def __init__(self, status: int, code: str, message: str, *, field: str = "", **more: Any) -> None:
        super().__init__(message)
        self.status, self.code, self.field, self.more = status, code, field, more


_JSON = {"Content-Type": "application/json", "Cache-Control": "private, no-store"}


def json_response(data: Any, *, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    """JSON that no cache keeps."""
    return web.Response(
        body=orjson.dumps(data, option=orjson.OPT_NON_STR_KEYS),
        status=status,
        headers=_JSON | headers if headers else _JSON,
    )


def error_response(error: ApiError) -> web.Response:
    """The error shape every route answers with."""
    body = {"error": {"code": error.code, "field": error.field, "message": str(error)}, **error.more}
    headers = {"Retry-After": "1"} if error.status == 503 else {}
    response = json_response(body, status=error.status, headers=headers)
    if error.code in _BROKEN_BODY:
        response.force_close()  # what is left of the body would be taken for the next request
    return response


_BROKEN_BODY = frozenset({"bad_body", "too_large", "timeout"})
_CODES = {400: "bad_request", 401: "unauthorized", 403: "forbidden", 404: "not_found", 405: "method_not_allowed",
          408: "timeout", 413: "too_large", 415: "unsupported_media_type"}  # fmt: skip


@web.middleware
async def errors_as_json(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Every failure of an API route in the error shape; a failure of ours is a logged 500, never a trace."""
    try:
        return await handler(request)
    except ApiError as error:
        return error_response(error)
    except _AGAIN_LATER as error:
        log.error("store unavailable", path=request.path, reason=str(error) or type(error).__name__)
        return error_response(ApiError(503, "unavailable", "the store cannot be reached; try again"))
    except NotFound as error:
        return error_response(ApiError(404, "not_found", str(error)))
    except web.HTTPException as error:
        if error.status < 400:
            raise
        code = _CODES.get(error.status, "error")
        return error_response(ApiError(error.status, code, error.reason))
    except Exception:
        log.exception("request failed", path=request.path)
        return error_response(ApiError(500, "internal", "something went wrong on our side"))
