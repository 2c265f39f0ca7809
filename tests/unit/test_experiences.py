"""Experiences as the site file writes them: schedules, priorities, namespaces, holdouts, kinds, previews."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import growthbook
import pytest

from core.bucketing import bucket
from personalization.decide import Decisions, decide
from personalization.experiences import assign
from personalization.model import Experience, Namespace
from personalization.namespaces import admits, place
from sites.check import check_text, read_text
from sites.compile import compile_site
from sites.moments import epoch_ms, moment
from sites.site import Site

HEAD = """site: demo
name: Demo
write_key: k
origins: ["https://www.example.com"]
timezone: Asia/Tokyo
"""
VARIANTS = "choose: [{variants: [{id: a, template: A}]}]"


def compiled(text: str) -> Site:
    return compile_site(read_text(HEAD + text)[0], revision=1, rule_versions={})


def experiences(*lines: str) -> tuple[Experience, ...]:
    return compiled("experiences:\n" + "\n".join(f"  - {{{line}}}" for line in lines)).experiences


def ask(offered: tuple[Experience, ...], **given: Any) -> Decisions:
    asked: dict[str, Any] = {
        "slots": ["hero"],
        "attributes": {},
        "audiences": (),
        "visitor": "v1",
        "locale": "en",
        "site_name": "Acme",
        "now": 0,
    } | given
    return decide(offered, **asked)


def shown(offered: tuple[Experience, ...], **given: Any) -> str | None:
    found = ask(offered, **given).decisions["hero"]
    return found.experience if found else None


def tokyo(text: str) -> int:
    return round(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo("Asia/Tokyo")).timestamp() * 1000)


# Schedules


@pytest.mark.parametrize(
    ("dates", "at", "note"),
    [
        ("from: 2026-12-01", "2026-11-30 23:59:59", "e has not begun"),
        ("from: 2026-12-01", "2026-12-01 00:00:00", None),
        ("until: 2026-12-24", "2026-12-24 23:59:59", None),
        ("until: 2026-12-24", "2026-12-25 00:00:00", "e is over"),
        ("until: 2026-12-24 18:00", "2026-12-24 17:59:59", None),
        ("until: 2026-12-24 18:00", "2026-12-24 18:00:00", "e is over"),
        ("from: 2026-12-01T09:30, until: 2026-12-02", "2026-12-01 09:29:59", "e has not begun"),
        ("from: 2026-12-01T09:30, until: 2026-12-02", "2026-12-01 09:30:00", None),
    ],
)
def test_an_experience_runs_in_its_time_on_the_sites_clock(dates: str, at: str, note: str | None) -> None:
    offered = experiences(f"id: e, slot: hero, {dates}, {VARIANTS}")
    found = ask(offered, now=tokyo(at))
    assert (found.decisions["hero"] is None) == (note is not None)
    assert found.notes.get("hero") == note


def test_the_next_experience_takes_over_when_one_is_over() -> None:
    offered = experiences(
        f"id: sale, slot: hero, until: 2026-12-24, {VARIANTS}", f"id: rest, slot: hero, {VARIANTS}"
    )
    assert shown(offered, now=tokyo("2026-12-24 12:00")) == "sale"
    assert shown(offered, now=tokyo("2026-12-25 12:00")) == "rest"


def test_an_hour_that_comes_twice_or_never_is_still_a_moment() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    twice, never = epoch_ms("2026-10-25 02:30", berlin), epoch_ms("2026-03-29 02:30", berlin)
    assert datetime.fromtimestamp(twice / 1000, berlin).isoformat() == "2026-10-25T02:30:00+02:00"
    assert datetime.fromtimestamp(never / 1000, berlin).hour == 3


@pytest.mark.parametrize(
    "text",
    [
        "2026-13-01",
        "2026-02-29",
        "tomorrow",
        "2026-12-01 25:00",
        "2026-12-01T09:00Z",
        "1970-01-01",
        "9999-12-31",
    ],
)
def test_what_is_no_moment_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"must be|no such"):
        moment(text)


# Priorities


def test_the_highest_priority_goes_first_then_the_order_of_the_file() -> None:
    lines = [
        f"id: first, slot: hero, {VARIANTS}",
        f"id: second, slot: hero, priority: 5, {VARIANTS}",
        f"id: third, slot: hero, priority: 5, {VARIANTS}",
        f"id: last, slot: hero, priority: -1, {VARIANTS}",
    ]
    assert [one.id for one in experiences(*lines)] == ["second", "third", "first", "last"]
    assert shown(experiences(*lines)) == "second"


# Namespaces


def test_a_namespace_is_growthbooks() -> None:
    for number in range(2_000):
        visitor = f"visitor-{number}"
        namespace = Namespace(name="checkout", start=0.2, end=0.6)
        theirs = growthbook.core.inNamespace(visitor, ("checkout", 0.2, 0.6))
        assert admits(namespace, visitor) == theirs, visitor


def test_experiences_with_separate_shares_never_meet_the_same_visitor() -> None:
    one, other = (
        f"id: e{n}, slot: hero, namespace: {{name: checkout, range: [{start}, {end}]}}, {VARIANTS}"
        for n, start, end in ((1, 0, 0.5), (2, 0.5, 0.8))
    )
    offered = experiences(one, other)
    found = Counter(shown(offered, visitor=f"v{n}") for n in range(10_000))
    assert found["e1"] / 10_000 == pytest.approx(0.5, abs=0.02)
    assert found["e2"] / 10_000 == pytest.approx(0.3, abs=0.02)
    for n in range(500):
        both = [assign(one, audiences=(), visitor=f"v{n}") for one in offered]
        assert sum(one is not None for one in both) <= 1
        assert (both[0] is not None) == (place("checkout", f"v{n}") < 0.5)
    outside = next(f"v{n}" for n in range(500) if place("checkout", f"v{n}") >= 0.8)
    note = ask(offered, visitor=outside).notes["hero"]
    assert (
        note
        == "e1 has another share of the namespace checkout; e2 has another share of the namespace checkout"
    )


# Holdouts


def test_the_sites_holdout_is_withheld_from_every_experience() -> None:
    site = compiled(
        "holdout: 0.1\nexperiences:\n"
        f"  - {{id: one, slot: hero, {VARIANTS}}}\n"
        f"  - {{id: two, slot: side, holdout: 0.5, {VARIANTS}}}\n"
    )
    withheld = 0
    for n in range(5_000):
        found = ask(site.experiences, visitor=f"v{n}", slots=["hero", "side"])
        everywhere = bucket("site:demo:holdout", f"v{n}") < 0.1
        withheld += everywhere
        assert (found.decisions["hero"] is None) == everywhere
        own = bucket("two:holdout", f"v{n}") < 0.5
        assert (found.decisions["side"] is None) == (everywhere or own)
        assert [one.everywhere for one in found.exposures] == [everywhere, everywhere]
    assert withheld / 5_000 == pytest.approx(0.1, abs=0.02)


def test_who_is_held_out_everywhere_is_told_so() -> None:
    site = compiled(f"holdout: 1\nexperiences: [{{id: one, slot: hero, {VARIANTS}}}]")
    note = ask(site.experiences).notes["hero"]
    assert note == "everyone (1st of 1 choice), held out of every experience as the baseline 100 %"


# Previews


def test_a_preview_withholds_nobody_and_shows_the_variant_asked_for() -> None:
    offered = experiences(
        "id: e, slot: hero, holdout: 1, namespace: {name: n, range: [0, 0.001]}, "
        "choose: [{variants: [{id: a, template: A}, {id: b, template: B}]}]"
    )
    assert shown(offered) is None
    assert shown(offered, preview={}) == "e"
    for pinned in ("a", "b"):
        found = ask(offered, preview={"e": pinned}).decisions["hero"]
        assert found is not None
        assert found.variant == pinned
    assert shown(offered, preview={"e": "gone"}) == "e"


# Kinds of variants


def kind(line: str, more: str = "", **given: Any) -> Decisions:
    return ask(
        compiled(
            f"{more}\nexperiences: [{{id: e, slot: hero, choose: [{{variants: [{{id: a, {line}}}]}}]}}]"
        ).experiences,
        **given,
    )


@pytest.mark.parametrize(
    ("line", "wire"),
    [
        ('template: "<b>{{ traits.name }}</b>"', {"html": "<b>A &amp; &lt;B&gt;</b>"}),
        ('text: "Hello, {{ traits.name }} &amp;"', {"text": "Hello, A & <B> &amp;"}),
        ("text: {en: Hello, ja: こんにちは}", {"text": "Hello"}),
        (
            'attr: {href: "/x?n={{ traits.name | urlencode }}", data-plan: "{{ traits.name }}"}',
            {"attr": {"href": "/x?n=A%20%26%20%3CB%3E", "data-plan": "A & <B>"}},
        ),
        ('redirect: "/for/{{ traits.slug }}"', {"redirect": "/for/acme"}),
        ('redirect: "https://www.example.com/x"', {"redirect": "https://www.example.com/x"}),
    ],
)
def test_what_each_kind_of_variant_says(line: str, wire: dict[str, Any]) -> None:
    found = kind(line, attributes={"traits": {"name": "A & <B>", "slug": "acme"}}).decisions["hero"]
    assert found is not None
    reason = "everyone (1st of 1 choice), variant a 100 %"
    assert found.wire() == {"experience": "e", "variant": "a", "reason": reason, **wire}


def test_redirects_may_lead_to_listed_origins() -> None:
    found = kind(
        'redirect: "https://shop.example.org/{{ intent }}"',
        "redirects: ['https://shop.example.org']",
        attributes={"intent": "high"},
    ).decisions["hero"]
    assert found is not None
    assert found.redirect == "https://shop.example.org/high"


@pytest.mark.parametrize(
    "name",
    [
        "https://evil.example",
        "//evil.example",
        "javascript:alert(1)",
        "/\\evil.example",
        "/a\r\nb",
        "https://[",
    ],
)
def test_no_value_of_a_visitor_leads_them_elsewhere(name: str) -> None:
    found = kind('redirect: "{{ traits.name }}"', attributes={"traits": {"name": name}})
    assert found.decisions["hero"] is None
    assert len(found.errors) == 1
    assert found.exposures == ()


@pytest.mark.parametrize(
    "name", ["javascript:alert(1)", "java\nscript:alert(1)", " JaVaScRiPt:x", "data:text/html,x"]
)
def test_no_value_of_a_visitor_makes_an_address_act(name: str) -> None:
    found = kind('attr: {href: "{{ traits.name }}"}', attributes={"traits": {"name": name}})
    assert found.decisions["hero"] is None
    assert len(found.errors) == 1


@pytest.mark.parametrize(
    ("redirect", "url", "sent"),
    [
        ("/new?a=1", "https://www.example.com/old", True),
        ("/new?a=1", "https://www.example.com/new?a=1", False),
        ("/new?a=1", "https://www.example.com/new?a=1#top", False),
        ("/new?a=1", "https://www.example.com/new", True),
        ("https://www.example.com/new", "https://www.example.com/new", False),
    ],
)
def test_nobody_is_sent_where_they_are(redirect: str, url: str, sent: bool) -> None:
    found = kind(f'redirect: "{redirect}"', attributes={"page": {"url": url}})
    assert (found.decisions["hero"] is not None) == sent
    assert [one.variant for one in found.exposures] == ["a"]


# Mistakes


def one(inner: str) -> str:
    return f"experiences: [{{id: e, slot: s, {inner}}}]"


def variant(inner: str) -> str:
    return one(f"choose: [{{variants: [{{id: a, {inner}}}]}}]")


FIRST = "experiences[0]"
VARIANT = f"{FIRST}.choose[0].variants[0]"


@pytest.mark.parametrize(
    ("text", "field", "words"),
    [
        ("holdout: 2", "holdout", "at most 1"),
        ("redirects: [example.com]", "redirects[0]", "must be an origin"),
        (one(f"from: soon, {VARIANTS}"), f"{FIRST}.from", "must be a date"),
        (one(f"from: 2026-02-30, {VARIANTS}"), f"{FIRST}.from", "no such day"),
        (one(f"from: 2026-02-02, until: 2026-02-01, {VARIANTS}"), f"{FIRST}.until", "after `from`"),
        (one(f"priority: 1.5, {VARIANTS}"), f"{FIRST}.priority", "whole number"),
        (
            one(f"namespace: {{name: n, range: [0.5, 0.5]}}, {VARIANTS}"),
            f"{FIRST}.namespace.range",
            "smaller",
        ),
        (
            one(f"namespace: {{name: n, range: [0, 1.5]}}, {VARIANTS}"),
            f"{FIRST}.namespace.range[1]",
            "at most 1",
        ),
        (one(f"namespace: {{name: n, range: [0]}}, {VARIANTS}"), f"{FIRST}.namespace.range", "at least 2"),
        (one(f"namespace: {{range: [0, 1]}}, {VARIANTS}"), f"{FIRST}.namespace.name", "required"),
        (variant("weight: 2"), VARIANT, "exactly one"),
        (variant("text: a, template: b"), VARIANT, "exactly one"),
        (variant("text: '{{ scroe }}'"), f"{VARIANT}.text", "did you mean `score`"),
        (variant("attr: {onclick: 'x()'}"), f"{VARIANT}.attr.onclick", "may set"),
        (variant("attr: {style: 'x'}"), f"{VARIANT}.attr.style", "may set"),
        (variant("attr: {data-kz-slot: x}"), f"{VARIANT}.attr.data-kz-slot", "may set"),
        (variant("attr: {title: {en: '{{ f() }}'}}"), f"{VARIANT}.attr.title.en", "calling"),
        (variant("attr: {}"), f"{VARIANT}.attr", "at least 1"),
        (variant("redirect: 'https://evil.example/'"), f"{VARIANT}.redirect", "another site"),
        (variant("redirect: {ja: '//evil.example/'}"), f"{VARIANT}.redirect.ja", "another site"),
    ],
)
def test_mistakes_name_their_field(text: str, field: str, words: str) -> None:
    found = check_text(HEAD + text)
    assert isinstance(found, list)
    assert [one.field for one in found] == [field]
    assert words in found[0].message
