"""What somebody has met stays: on the browser, on their other browsers, and when the shares change."""

from __future__ import annotations

import random
from itertools import permutations
from typing import Any

import pytest
from msgspec.structs import replace

from core.exposures import Exposed, Measured
from core.profiles import Profile
from personalization import met
from personalization.decide import decide
from personalization.exposure import Exposure, expose, is_drift
from personalization.model import Choice, Experience, Variant
from server.decide import met_before
from streams.outcome import ALONE, Around
from tests.factories import T0


def experience(*, holdout: float = 0.0, variants: str = "ab") -> Experience:
    made = tuple(Variant(id=name, weight=1, render=lambda _: "x") for name in variants)
    return Experience(id="top", slot="hero", choices=(Choice(audience=None, variants=made),), holdout=holdout)


def shown(before: dict[tuple[str, str], str], visitor: str, **fields: Any) -> str | None:
    found = decide(
        [experience(**fields)], slots=["hero"], attributes={}, audiences=(), visitor=visitor, locale="en",
        site_name="Demo", met=before,
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


def profile(name: str, *seen: tuple[str, int]) -> Profile:
    exposed = tuple(Exposed(experience="top", variant=variant, first_at=T0 + at) for variant, at in seen)
    return Profile(id=name, site="demo", first_at=T0, last_at=T0, measured=Measured(exposed=exposed))


def test_this_browser_goes_first_then_the_one_that_met_it_first() -> None:
    here, there, elsewhere = profile("x", ("a", 9)), profile("y", ("b", 5)), profile("z", ("", 1))
    assert met_before(here, Around(peers=(there, elsewhere))) == {("top", ""): "a"}
    assert met_before(profile("x"), Around(peers=(there, elsewhere))) == {("top", ""): ""}
    assert met_before(profile("x"), Around(peers=(elsewhere, there))) == {("top", ""): ""}
    assert met_before(profile("x"), ALONE) == {}


def measured(*seen: tuple[str, str, int]) -> Measured:
    """Audience, variant, when."""
    return Measured(
        exposed=tuple(
            Exposed(experience="top", audience=audience, variant=variant, first_at=T0 + at)
            for audience, variant, at in seen
        )
    )


MET = [
    ([("", "a", 9)], [[("", "b", 1)]], {"": "a"}),
    ([], [[("", "b", 5)], [("", "", 1)]], {"": ""}),
    ([], [[("", "", 5)], [("", "b", 1)]], {"": "b"}),
    ([("", "a", 9)], [[("keen", "b", 1)]], {"": "a", "keen": "b"}),
    # Held out of the one and not of the other would be drift.
    ([("", "a", 9)], [[("keen", "", 1)]], {"": "a"}),
    ([("", "", 9)], [[("keen", "b", 1)]], {"": ""}),
    ([], [[("keen", "", 1)], [("", "b", 5), ("keen", "b", 6)]], {"keen": ""}),
    ([], [[("keen", "b", 3)], [("", "", 3)]], {"": ""}),
]


@pytest.mark.parametrize(("own", "others", "kept"), MET)
def test_what_was_met_where(
    own: list[tuple[str, str, int]], others: list[list[tuple[str, str, int]]], kept: dict[str, str]
) -> None:
    wanted = {("top", audience): variant for audience, variant in kept.items()}
    for order in permutations(others):
        assert met.met_before(measured(*own), [measured(*one) for one in order]) == wanted


def test_who_is_held_out_of_one_choice_is_of_the_others_whatever_the_hash_says() -> None:
    for before, seen in (({("top", "keen"): ""}, {None}), ({("top", "keen"): "a"}, {"a", "b"})):
        assert {shown(before, visitor, holdout=0.5) for visitor in VISITORS} == seen
    assert {shown({("other", ""): ""}, visitor, holdout=0.5) for visitor in VISITORS} == {None, "a", "b"}


def offered(number: int) -> Experience:
    """An experience with two choices that is published anew with other weights, another holdout, more variants."""
    names = ("ab", "ab", "abc")[number]
    made = tuple(
        Variant(id=name, weight=weight, render=lambda _: "x") for weight, name in enumerate(names, 1)
    )
    choices = (Choice(audience="keen", variants=made), Choice(audience=None, variants=made))
    return Experience(id="top", slot="hero", choices=choices, holdout=(0.3, 0.5, 0.2)[number])


def drifted(seed: int) -> bool:
    """Whether a person with three browsers, who logs in on them while the site changes, drifts on any of them."""
    draw, publishes = random.Random(seed), [offered(number) for number in range(3)]
    browsers = {name: Profile(id=f"{name}{seed}", site="demo", first_at=T0, last_at=T0) for name in "xyz"}
    known: set[str] = set()
    for at in range(40):
        name = draw.choice("xyz")
        known |= {name} if draw.random() < 0.15 else set()
        own = browsers[name]
        others = [browsers[other].measured for other in sorted(known - {name})] if name in known else []
        found = decide(
            [publishes[at * 3 // 40]], slots=["hero"], attributes={}, visitor=own.id, locale="en",
            audiences=("keen",) if draw.random() < 0.4 else (), site_name="Demo",
            met=met.met_before(own.measured, others),
        )  # fmt: skip
        for one in found.exposures:
            exposure = Exposure(
                experience="top", audience=one.audience, variant=one.variant or "", visitor=own.id, at=T0 + at
            )
            browsers[name] = own = replace(own, measured=expose(own.measured, exposure, ()))
    return any(is_drift(one, of.measured.exposed) for of in browsers.values() for one in of.measured.exposed)


def test_nobody_drifts_whatever_is_published_and_wherever_they_log_in() -> None:
    assert [seed for seed in range(400) if drifted(seed)] == []
