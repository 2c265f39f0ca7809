"""What somebody has met stays: on the browser, on their other browsers, and when the shares change."""

from __future__ import annotations

from typing import Any

from core.exposures import Exposed, Measured
from core.profiles import Profile
from personalization.decide import decide
from personalization.model import Choice, Experience, Variant
from server.decide import met_before
from streams.pipeline import ALONE, Around
from tests.factories import T0


def experience(*, holdout: float = 0.0, variants: str = "ab") -> Experience:
    made = tuple(Variant(id=name, weight=1, render=lambda _: "x") for name in variants)
    return Experience(id="top", slot="hero", choices=(Choice(audience=None, variants=made),), holdout=holdout)


def shown(met: dict[tuple[str, str], str], visitor: str, **fields: Any) -> str | None:
    found = decide(
        [experience(**fields)], slots=["hero"], attributes={}, audiences=(), visitor=visitor, locale="en",
        site_name="Demo", met=met,
    )  # fmt: skip
    decision = found.decisions["hero"]
    return decision.variant if decision else None


VISITORS = [f"v{number}" for number in range(200)]


def test_what_was_met_is_shown_whatever_the_hash_says() -> None:
    assert {shown({}, visitor) for visitor in VISITORS} == {"a", "b"}
    assert {shown({("top", ""): "b"}, visitor) for visitor in VISITORS} == {"b"}
    # Neither a holdout that is raised later nor another variant changes it.
    assert {shown({("top", ""): "b"}, visitor, holdout=0.9, variants="abc") for visitor in VISITORS} == {"b"}


def test_a_variant_that_is_gone_is_assigned_anew() -> None:
    assert {shown({("top", ""): "z"}, visitor) for visitor in VISITORS} == {"a", "b"}


def test_who_was_withheld_stays_withheld_while_there_is_a_holdout() -> None:
    assert {shown({("top", ""): ""}, visitor, holdout=0.01) for visitor in VISITORS} == {None}
    assert {shown({("top", ""): ""}, visitor) for visitor in VISITORS} == {"a", "b"}


def profile(name: str, *met: tuple[str, int]) -> Profile:
    exposed = tuple(Exposed(experience="top", variant=variant, first_at=T0 + at) for variant, at in met)
    return Profile(id=name, site="demo", first_at=T0, last_at=T0, measured=Measured(exposed=exposed))


def test_this_browser_goes_first_then_the_one_that_met_it_first() -> None:
    here, there, elsewhere = profile("x", ("a", 9)), profile("y", ("b", 5)), profile("z", ("", 1))
    assert met_before(here, Around(peers=(there, elsewhere))) == {("top", ""): "a"}
    assert met_before(profile("x"), Around(peers=(there, elsewhere))) == {("top", ""): ""}
    assert met_before(profile("x"), Around(peers=(elsewhere, there))) == {("top", ""): ""}
    assert met_before(profile("x"), ALONE) == {}
