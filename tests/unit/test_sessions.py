"""Sessions: the shared table of cases, in the order given and in every other one."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from core.events import Event
from tests.factories import DAY, MINUTE, T0, engage, page, site
from tests.memory import Visitor

TABLE = json.loads((Path(__file__).parent.parent / "cases" / "sessions.json").read_text("utf-8"))["cases"]
SITE = site()


def made(minute: int, what: Any, number: int) -> Event:
    at, received = T0 + minute * MINUTE, T0 + DAY
    if isinstance(what, dict):
        return _named(engage("/", what["engage"] * 1000, at=at), number, received)
    path, ref = what if isinstance(what, list) else (what, "")
    bare, _, query = path.partition("?")
    return _named(page(bare, at=at, query=f"?{query}" if query else "", ref=ref), number, received)


def _named(event: Event, number: int, received: int) -> Event:
    return replace(event, id=f"e{number}", received_at=received)


@pytest.mark.parametrize("case", TABLE, ids=[case["name"] for case in TABLE])
def test_the_table(case: dict[str, Any]) -> None:
    events = [made(*row, number) for number, row in enumerate(case["events"])]
    for order in itertools.permutations(events):
        visitor = Visitor()
        for event in order:
            visitor.take(event, SITE)
        profile = visitor.profile
        assert profile is not None
        sessions = [*profile.sessions, profile.session]
        found = [
            [one.page_count, one.engaged_ms // 1000, one.landing_path, one.source.referrer_class]
            for one in sessions
            if one is not None
        ]
        assert found == case["sessions"]
        assert profile.session_count == len(case["sessions"])
