"""The calls of one request to Segment's API, as events or as the reasons why they are refused."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from core.events import Envelope, Event, Rejection, parse_event
from core.text import BadText
from server.agents import device_type
from server.body import MAX_EVENT
from server.geo import NOWHERE, Place
from server.segment_call import BadCall, Call, Said, Scalar, said

decode_call = msgspec.json.Decoder(Call)


class Parser:
    """Turns the calls of one request into events. `sent_at` and `context` are those of the batch; `place_of`
    tells the place of the address in a call's `context.ip` ("" where it has none).
    """

    def __init__(
        self,
        *,
        site: str,
        now: int,
        user_agent: str,
        place_of: Callable[[str], Place] = lambda _: NOWHERE,
        sent_at: Scalar = None,
        context: Mapping[str, Any] | None = None,
    ) -> None:
        self._site, self._now, self._user_agent, self._place_of = site, now, user_agent, place_of
        self._sent_at, self._context = sent_at, context or {}

    def parse_line(self, line: msgspec.Raw) -> Event | Rejection:
        """The event of one call in a batch, or why it is refused."""
        if len(bytes(line)) > MAX_EVENT:
            return Rejection(code="too_large", field="", message=f"is larger than {MAX_EVENT} bytes (32 KB)")
        try:
            call = decode_call.decode(line)
        except msgspec.ValidationError as error:
            message, _, path = str(error).partition(" - at `$")
            return Rejection(code="bad_shape", field=path.strip("`."), message=message)
        except (msgspec.DecodeError, RecursionError, UnicodeError) as error:
            return Rejection(code="bad_json", field="", message=str(error))
        return self.parse(call, call.type or "")

    def parse(self, call: Call, kind: str) -> Event | Rejection:
        """The event of one call, or why it is refused; the field named as in the call."""
        try:
            told = said(
                call,
                kind=kind,
                site=self._site,
                sent_at=self._sent_at,
                context=self._context,
                new_id=secrets.token_hex(16),
            )
        except BadText as bad:
            code = bad.code if isinstance(bad, BadCall) else "bad_value"
            return Rejection(code=code, field=bad.field, message=str(bad))
        event = parse_event(told.raw, self._envelope(told))
        if isinstance(event, Event):
            return event
        head, dot, rest = event.field.partition(".")
        return msgspec.structs.replace(event, field=told.names.get(head, head) + dot + rest)

    def _envelope(self, told: Said) -> Envelope:
        place = self._place_of(told.ip)
        return Envelope(
            site=self._site,
            visitor=told.visitor,
            received_at=self._now,
            sent_at=told.sent_at,
            device=device_type(told.user_agent or self._user_agent),
            lang=told.lang,
            country=place.country,
            company=place.company_domain,
        )
