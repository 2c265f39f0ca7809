"""Decisions: who sees what, always the same, for a reason."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import pytest

from core.bucketing import bucket
from personalization.complaints import EVERY_MS, MOST, Complaints
from personalization.decide import Decisions, Exposure, decide
from personalization.experiences import ordinal
from personalization.model import Choice, Experience, Variant
from personalization.templates import RenderError, compile_template
from tests.factories import T0


def variant(name: str, weight: float = 1, template: str | None = None) -> Variant:
    source = f"<p>{name}</p>" if template is None else template
    return Variant(id=name, weight=weight, render=compile_template(source, default_locale="en"))


def experience(name: str, *choices: Choice, slot: str = "hero", holdout: float = 0.0) -> Experience:
    return Experience(id=name, slot=slot, choices=choices, holdout=holdout)


def choice(audience: str | None, *variants: Variant) -> Choice:
    return Choice(audience=audience, variants=variants)


def ask(*experiences: Experience, **given: Any) -> Decisions:
    asked: dict[str, Any] = {
        "slots": ["hero"],
        "attributes": {},
        "audiences": (),
        "visitor": "v1",
        "locale": "en",
        "site_name": "Acme",
    } | given
    return decide(experiences, **asked)


HERO = experience(
    "top-hero",
    choice("high_intent", variant("talk")),
    choice("returning", variant("results", 50), variant("voices", 50)),
    choice("first_time", variant("image")),
)


@pytest.mark.parametrize(
    ("audiences", "shown", "reason"),
    [
        (["first_time"], {"image"}, "audience first_time (3rd of 3 choices), variant image 100 %"),
        (
            ["returning", "high_intent"],
            {"talk"},
            "audience high_intent (1st of 3 choices), variant talk 100 %",
        ),
        (["returning"], {"results", "voices"}, "audience returning (2nd of 3 choices), variant {} 50 %"),
    ],
)
def test_the_first_audience_that_matches_wins(audiences: list[str], shown: set[str], reason: str) -> None:
    found = ask(HERO, audiences=audiences).decisions["hero"]
    assert found is not None
    assert found.experience == "top-hero"
    assert found.variant in shown
    assert found.html == f"<p>{found.variant}</p>"
    assert found.reason == reason.format(found.variant)


def test_every_slot_asked_is_answered_once() -> None:
    side = experience("side", choice(None, variant("book")), slot="side")
    found = ask(HERO, side, slots=["side", "hero", "footer", "side"])
    assert list(found.decisions) == ["side", "hero", "footer"]
    assert found.decisions["side"] is not None
    assert found.decisions["side"].reason == "everyone (1st of 1 choice), variant book 100 %"
    assert found.notes == {
        "hero": "no audience of top-hero matches",
        "footer": "no experience fills this slot",
    }
    assert found.exposures == (Exposure(slot="side", experience="side", variant="book"),)


def test_the_first_experience_in_file_order_fills_the_slot() -> None:
    first = experience("first", choice("keen", variant("a")))
    second = experience("second", choice(None, variant("b")))
    for audiences, winner in ((["keen"], "first"), ([], "second")):
        found = ask(first, second, audiences=audiences).decisions["hero"]
        assert found is not None
        assert found.experience == winner


def test_the_same_visitor_always_sees_the_same_variant() -> None:
    found = {ask(HERO, audiences=["returning"], visitor="visitor-7").decisions["hero"] for _ in range(1000)}
    assert len({one.variant for one in found if one}) == 1


def test_a_variant_is_anyones_to_recompute() -> None:
    for index in range(200):
        found = ask(HERO, audiences=["returning"], visitor=f"v{index}").decisions["hero"]
        assert found is not None
        assert found.variant == ("results" if bucket("top-hero", f"v{index}") < 0.5 else "voices")


def shares(made: Experience, count: int = 20_000) -> dict[str | None, float]:
    exposures = [ask(made, visitor=f"visitor-{index}").exposures[0] for index in range(count)]
    return {name: found / count for name, found in Counter(one.variant for one in exposures).items()}


@pytest.mark.parametrize("weights", [(1, 1), (50, 50), (70, 20, 10), (1, 1, 1), (0.001, 0.003)])
def test_visitors_are_shared_out_by_weight(weights: tuple[float, ...]) -> None:
    made = experience(
        "weighted", choice(None, *(variant(f"v{n}", weight) for n, weight in enumerate(weights)))
    )
    found = shares(made)
    # Five standard deviations of the widest share over 20,000 visitors, and the hash's step.
    for number, weight in enumerate(weights):
        assert found[f"v{number}"] == pytest.approx(weight / sum(weights), abs=0.018)


def test_every_bucket_gets_a_variant_whatever_the_weights_add_up_to() -> None:
    made = experience("thirds", choice(None, *(variant(f"v{n}", 0.1) for n in range(7))))
    assert sum(shares(made).values()) == pytest.approx(1)


@pytest.mark.parametrize("holdout", [0.0, 0.05, 0.5, 1.0])
def test_the_holdout_keeps_its_share(holdout: float) -> None:
    made = experience("held", choice(None, variant("a"), variant("b")), holdout=holdout)
    found = shares(made)
    assert found.get(None, 0) == pytest.approx(holdout, abs=0.018)
    if 0 < holdout < 1:
        assert found["a"] == pytest.approx(found["b"], abs=0.03)


def test_held_out_visitors_keep_the_page_and_are_counted() -> None:
    found = ask(
        experience("held", choice(None, variant("a")), holdout=1.0),
        experience("next", choice(None, variant("b"))),
    )
    assert found.decisions == {"hero": None}
    assert found.notes["hero"] == "everyone (1st of 1 choice), held out as the baseline 100 %"
    assert found.exposures == (Exposure(slot="hero", experience="held", variant=None),)


def fails(_: Mapping[str, Any]) -> str:
    raise RenderError("too long")


def test_a_template_that_fails_leaves_the_page_as_it_was() -> None:
    broken = Variant(id="bad", weight=1, render=fails)
    made = experience("broken", choice(None, broken))
    found = ask(made, experience("side", choice(None, variant("ok")), slot="side"), slots=["hero", "side"])
    assert found.decisions["hero"] is None
    assert found.decisions["side"] is not None
    assert found.notes["hero"].endswith("but it could not be rendered")
    assert found.errors == ("experience broken, variant bad: too long",)
    assert [one.slot for one in found.exposures] == ["side"]


def test_a_template_sees_the_visitor_the_locale_and_the_site() -> None:
    template = "{{ traits.name }} {{ visitor.traits.name }} {{ locale }} {{ site.name }} {{ topics.pricing }}"
    made = experience("hello", choice(None, variant("a", 1, template)))
    attributes = {"traits": {"name": "<花子>"}, "topics": {"pricing": 2}}
    found = ask(made, attributes=attributes, locale="ja").decisions["hero"]
    assert found is not None
    assert found.html == "&lt;花子&gt; &lt;花子&gt; ja Acme 2"


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (1, "1st"),
        (2, "2nd"),
        (3, "3rd"),
        (4, "4th"),
        (11, "11th"),
        (12, "12th"),
        (22, "22nd"),
        (113, "113th"),
    ],
)
def test_ordinals(number: int, words: str) -> None:
    assert ordinal(number) == words


def test_an_error_is_told_once_a_minute() -> None:
    complaints = Complaints()
    assert complaints.news(["a", "b", "a"], T0) == ["a", "b"]
    assert complaints.news(["a"], T0 + EVERY_MS - 1) == []
    assert complaints.news(["a", "c"], T0 + EVERY_MS) == ["a", "c"]
    # A clock that steps back must not silence it for long.
    assert complaints.news(["a"], T0) == ["a"]


def test_so_many_errors_are_remembered() -> None:
    complaints = Complaints()
    many = [str(number) for number in range(MOST + 1)]
    assert complaints.news(many, T0) == many
    assert complaints.news([many[0], many[-1]], T0 + 1) == [many[0]]
