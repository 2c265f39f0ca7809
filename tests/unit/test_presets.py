"""The scoring presets: they are valid, they do what they say, and a site's own rule goes before."""

from __future__ import annotations

import pytest

from core.profiles import Profile
from sites.check import check_text, read_text
from sites.compile import compile_site
from sites.mistakes import Mistake
from sites.presets import PRESETS
from sites.site import Site
from tests.factories import DAY, HOUR, T0, event, page
from tests.memory import Visitor

FILE = """
site: demo
name: Demo
write_key: key
origins: [https://example.com]
timezone: Asia/Tokyo
topics: [{path: "/pricing*", topic: pricing}]
scoring: {preset: %s%s}
"""


def site(preset: str, more: str = "") -> Site:
    file, _ = read_text(FILE % (preset, more))
    return compile_site(file, revision=1, rule_versions={})


def scored(site: Site, *events: object) -> Profile:
    visitor = Visitor()
    for one in events:
        visitor.take(one, site)  # type: ignore[arg-type]
    assert visitor.profile is not None
    assert visitor.profile.score == sum(entry.points for entry in visitor.ledger)
    return visitor.profile


@pytest.mark.parametrize("preset", PRESETS)
def test_a_preset_is_valid_and_every_rule_has_a_name(preset: str) -> None:
    compiled = site(preset)
    assert {rule.id for rule in compiled.scoring.rules} == {rule["id"] for rule in PRESETS[preset]}
    assert set(compiled.scoring.labels) == {rule.id for rule in compiled.scoring.rules}


def test_the_textbook_hands_over_at_fifty_and_forgets_after_half_a_year() -> None:
    textbook = site("textbook")
    visits = [page("/", at=T0), page("/pricing", at=T0 + 1), event("whitepaper_download", at=T0 + 2)]
    assert scored(textbook, *visits).score == 30
    more = [event("seminar", at=T0 + HOUR), event("email_open", at=T0 + HOUR + 1)]
    keen = scored(textbook, *visits, *more)
    assert (keen.score, keen.intent) == (50, "high")
    often = [page("/", at=T0 + day * DAY) for day in (1, 2)]
    assert scored(textbook, *visits, *often).score == 30 + 2 * 10 + 10
    silent = scored(textbook, *visits, *more, page("/", at=T0 + 181 * DAY))
    assert silent.score == 50 + 10 - 30


def test_few_signals_are_two_days_and_a_key_page() -> None:
    signals = site("few-signals")
    assert scored(signals, page("/", at=T0), page("/", at=T0 + HOUR)).score == 0
    assert scored(signals, page("/pricing", at=T0)).intent == "warm"
    hot = [page("/pricing", at=T0), page("/", at=T0 + DAY)]
    assert scored(signals, *hot).intent == "high"
    # Two days long ago are none of the last thirty.
    assert scored(signals, *hot, page("/", at=T0 + 40 * DAY)).score == 25


def test_a_rule_of_ones_own_replaces_the_presets() -> None:
    own = site("textbook", ", rules: [{id: seminar, on: seminar, points: 25}]")
    assert [(rule.id, rule.points) for rule in own.scoring.rules if rule.id == "seminar"] == [("seminar", 25)]
    assert len(own.scoring.rules) == len(PRESETS["textbook"])


def test_a_preset_that_is_none() -> None:
    mistakes = check_text(FILE % ("textbok", ""))
    assert isinstance(mistakes, list)
    assert [(one.field, one.line) for one in mistakes if isinstance(one, Mistake)] == [("scoring.preset", 8)]
