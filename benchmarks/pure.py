"""The pure functions: what one event, one decision, one look at the attributes costs. CPU time of this process."""

from __future__ import annotations

import random
from collections.abc import Callable

from jinja2 import Environment

from benchmarks import site as measured
from benchmarks.harness import cpu_us, in_turns
from benchmarks.results import Row, aimed, compared
from benchmarks.visitors import MINUTE_MS, NOW, event, with_past
from core.attributes import attributes
from core.events import DAY_MS, Event
from core.profiles import Profile, decode_profile, encode_profile
from leads import scoring
from personalization.decide import decide
from personalization.model import Choice, Experience, Variant
from personalization.templates import compile_template
from sites.site import Site
from streams.pipeline import place, step

FAMILY = "One event, one decision"
ROUNDS = 9
PASTS = (10, 100, 1_000, 10_000)
EXPERIENCES = (1, 10, 100)
TEMPLATE = "<h1>Hello {{ traits.name | default('friend') }}, you saw {{ page_count }} pages</h1>"
CODEC = "encoding and decoding that profile (msgspec)"
JINJA = "rendering that block (Jinja2)"


def rows(rounds: int = ROUNDS) -> list[Row]:
    """Every row of this family."""
    site = measured.compiled()
    year = {f"{past:,} past events in a year": with_past(past, site, over_ms=365 * DAY_MS) for past in PASTS}
    day = {"1,000 past events in a day": with_past(1_000, site, over_ms=DAY_MS - MINUTE_MS)}
    typical = year["100 past events in a year"]
    return [
        *_steps(year | day, site, rounds),
        *_rules(typical, site, rounds),
        *_growth(typical, rounds),
        *_attributes(typical, site, rounds),
        *_decisions(typical, site, rounds),
    ]


def _steps(profiles: dict[str, Profile], site: Site, rounds: int) -> list[Row]:
    rng = random.Random(7)
    events = [event(rng, at=NOW + MINUTE_MS) for _ in range(20)]

    def one_step(profile: Profile) -> Callable[[], float]:
        return cpu_us(lambda one: step(profile, one, NOW + MINUTE_MS, site), events)

    measures = {name: one_step(profile) for name, profile in profiles.items()}
    codecs = {f"{name}, codec": _codec(profile) for name, profile in profiles.items()}
    samples = in_turns(measures | codecs, rounds)
    found = [
        compared(FAMILY, f"step, 20 rules, {name}", samples[name], "µs CPU", CODEC, samples[f"{name}, codec"])
        for name in profiles
    ]
    return [aimed(row, "value", most=10) for row in found]


def _rules(profile: Profile, site: Site, rounds: int) -> list[Row]:
    """What the rules alone cost, of `step`."""
    rng = random.Random(7)
    events = [event(rng, at=NOW + MINUTE_MS) for _ in range(20)]
    facts = attributes(profile, now=NOW, timezone=site.timezone, only=site.asks)

    def rules(one: Event) -> None:
        scoring.reactions(profile, one, site.scoring, facts, site.timezone)
        scoring.holds(profile, one, site.scoring, facts)

    samples = in_turns({"rules": cpu_us(rules, events), "codec": _codec(profile)}, rounds)
    row = compared(
        FAMILY, "20 rules, none but those of the event", samples["rules"], "µs CPU", CODEC, samples["codec"]
    )
    return [aimed(row, "value", most=5)]


def _growth(profile: Profile, rounds: int) -> list[Row]:
    """`step` with rules that match nobody."""
    rng = random.Random(7)
    events = [event(rng, at=NOW + MINUTE_MS) for _ in range(20)]

    def stepping(count: int) -> Callable[[], float]:
        grown = measured.compiled(idle_rules=count)
        return cpu_us(lambda one: step(profile, one, NOW + MINUTE_MS, grown), events)

    samples = in_turns({"few": stepping(10), "many": stepping(900)}, rounds)
    few = "the same with 10 such rules"
    row = compared(
        FAMILY, "step, 900 more rules that match nobody", samples["many"], "µs CPU", few, samples["few"]
    )
    return [aimed(row, "ratio", most=1.2)]


def _codec(profile: Profile) -> Callable[[], float]:
    return cpu_us(lambda one: decode_profile(encode_profile(one)), [profile])


def _attributes(profile: Profile, site: Site, rounds: int) -> list[Row]:
    samples = in_turns(
        {
            "attributes": cpu_us(lambda one: attributes(one, now=NOW, timezone=site.timezone), [profile]),
            "codec": _codec(profile),
        },
        rounds,
    )
    return [compared(FAMILY, "attributes", samples["attributes"], "µs CPU", CODEC, samples["codec"])]


def _decisions(profile: Profile, site: Site, rounds: int) -> list[Row]:
    placed, facts = place(profile, NOW, site)
    template = Environment(autoescape=True).from_string(TEMPLATE)

    def decision(count: int) -> Callable[[], float]:
        offered = _experiences(count)
        return cpu_us(
            lambda visitor: decide(
                offered,
                slots=["hero"],
                attributes=facts,
                audiences={*placed.audiences, "last"},
                visitor=visitor,
                locale="en",
                site_name="Acme ERP",
            ),
            [f"v{number}" for number in range(50)],
        )

    measures = {str(count): decision(count) for count in EXPERIENCES}
    samples = in_turns({**measures, "jinja": cpu_us(template.render, [facts])}, rounds)
    found = [
        compared(
            FAMILY,
            f"decide, {count} experience{'s' * (count > 1)} in the slot, the last one matches",
            samples[str(count)],
            "µs CPU",
            JINJA,
            samples["jinja"],
        )
        for count in EXPERIENCES
    ]
    return [
        aimed(row, "value", most=10) if count == 10 else row
        for row, count in zip(found, EXPERIENCES, strict=True)
    ]


def _experiences(count: int) -> list[Experience]:
    render = compile_template(TEMPLATE, default_locale="en")
    variants = tuple(Variant(id=f"v{n}", weight=50, render=render) for n in range(2))
    return [
        Experience(
            id=f"e{number}",
            slot="hero",
            choices=(
                Choice(audience="last" if number == count - 1 else f"nobody-{number}", variants=variants),
            ),
        )
        for number in range(count)
    ]
