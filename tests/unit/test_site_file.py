"""The site file: what is read, every mistake by line and field, what it compiles to."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from sites.check import check_text, read_data, read_text
from sites.compile import compile_site
from sites.durations import milliseconds
from sites.globs import classifier, matcher
from sites.mistakes import BadSiteFile, Mistake
from sites.model import SiteFile
from sites.schema import json_schema
from sites.site import Site

CASES = Path(__file__).parent.parent / "cases" / "site_files"
CONTRACT = (CASES / "contract.yaml").read_text()

HEAD = """site: demo
name: Demo
write_key: k
origins: ["https://example.com"]
"""


def mistakes(text: str) -> list[Mistake]:
    found = check_text(text)
    assert isinstance(found, list), "no mistake was found"
    return found


def compiled(text: str) -> Site:
    return compile_site(read_text(text)[0], revision=1, rule_versions={})


def test_the_contracts_file_has_no_mistake() -> None:
    found = check_text(CONTRACT)
    assert isinstance(found, SiteFile), found
    assert found.scoring.half_life == 30 * 86_400_000
    assert found.alerts[0].cooldown == found.alerts[1].cooldown == 1_800_000
    assert [rule.on for rule in found.scoring.rules] == ["page", "whitepaper_download", "engage", None, None]


def test_the_smallest_file() -> None:
    found = check_text(HEAD)
    assert isinstance(found, SiteFile)
    assert (found.timezone, found.locale, found.scoring.bands.high) == ("UTC", "en", 50)


#: Every mistake of broken.yaml: line, field, a part of the message.
BROKEN = [
    (1, "site", "small letters"),
    (5, "origins[0]", "without a path"),
    (7, "timezone", "time zone"),
    (8, "locale", "'ja' or 'en'"),
    (9, "topic", "did you mean `topics`"),
    (11, "topics[0].path", "start with /"),
    (13, "scoring.half_life", "length of time"),
    (14, "scoring.bands", "warm must be less"),
    (16, "scoring.rules[0].points", "must be a number"),
    (17, "scoring.rules[1].id", "used twice"),
    (17, "scoring.rules[1].once", "'session', 'visitor' or 'day'"),
    (18, "scoring.rules[2]", "needs `on`"),
    (19, "scoring.rules[3].idle", "stands alone"),
    (20, "scoring.rules[4].when", "comes from the points"),
    (21, "scoring.rules[5].once", "works with `on`"),
    (23, "audiences.returning.session_cuont", "did you mean `session_count`"),
    (24, "audiences.broken.session_count.$gtt", "$gt"),
    (26, "audiences.circular.audiences", "cannot depend"),
    (30, "experiences[0].holdout", "at most 1"),
    (32, "experiences[0].choose[0].audience", "did you mean `returning`"),
    (35, "experiences[0].choose[0].variants[0].weight", "more than 0"),
    (38, "experiences[0].choose[0].variants[0].template", "calling a function"),
    (39, "experiences[0].choose[0].variants[1].id", "used twice"),
    (39, "experiences[0].choose[0].variants[1].template", "`english` is not a locale"),
    (39, "experiences[0].choose[0].variants[1].template.ja", "did you mean `score`"),
    (39, "experiences[0].choose[0].variants[1].wieght", "did you mean `weight`"),
    (41, "experiences[0].choose[2]", "never reached"),
    (43, "alerts[0]", "exactly one"),
    (44, "alerts[1].channel", "Slack channel"),
    (44, "alerts[1].cooldown", "length of time"),
    (44, "alerts[1].leaves", "no audience `nobody`"),
    (45, "alerts[2].channel", "is required"),
]


def test_every_mistake_of_a_broken_file_is_reported_at_once() -> None:
    found = sorted(mistakes((CASES / "broken.yaml").read_text()), key=lambda one: (one.line, one.field))
    assert [(one.line, one.field) for one in found] == [(line, field) for line, field, _ in BROKEN]
    for one, (_, _, words) in zip(found, BROKEN, strict=True):
        assert words in one.message


SINGLE = [
    ("", 1, "", "is empty"),
    ("# nothing", 1, "", "is empty"),
    ("just words", 1, "", "must be a mapping"),
    ("- a\n- b", 1, "", "must be a mapping"),
    ("site: [a", 1, "", "not YAML"),
    ("site: a\n\tname: b", 2, "", "not YAML"),
    ("site: a\x00b", 1, "", "not YAML"),
    ("site: \ud800", 1, "", "not YAML"),
    ("---\nsite: a\n---\nsite: b", 3, "", "not YAML"),
    (HEAD + "name: Twice", 5, "name", "appears twice (first in line 2)"),
    (
        HEAD + "scoring:\n  rules:\n    - {id: a, id: b, on: page, points: 1}",
        7,
        "scoring.rules[0].id",
        "twice",
    ),
    (HEAD + "locale: !!python/object:os.system ja", 5, "locale", "tag"),
    (HEAD + "locale: !secret ja", 5, "locale", "tag"),
    *[
        (HEAD + f"timezone: {zone}", 5, "timezone", "zone")
        for zone in ("Asia", "../UTC", "''", "/etc/passwd")
    ],
    (HEAD + "topics: &t\n  - *t", 5, "", "grows too large"),
    (HEAD + "x: " + "[" * 60 + "]" * 60, 5, "", "levels deep"),
    (HEAD + "? [a, b]\n: c", 5, "", "plain text"),
    (HEAD + "scoring: {half_life: .inf}", 5, "scoring.half_life", "length of time"),
    (HEAD + "scoring: {bands: {warm: 1e999}}", 5, "scoring.bands.warm", "too large"),
    (HEAD + "scoring: {bands: {warm: 60}}", 5, "scoring.bands", "less than high"),
    (HEAD + "scoring: {rules: {id: a}}", 5, "scoring.rules", "must be a list"),
    (HEAD + "scoring: {rules: [a]}", 5, "scoring.rules[0]", "must be a mapping"),
    (HEAD + "scoring: {rules: [{id: a, on: page, points: yes}]}", 5, "scoring.rules[0].points", "a number"),
    (HEAD + "scoring: {rules: [{id: a, on: page, points: true}]}", 5, "scoring.rules[0].points", "a number"),
    (
        HEAD + "scoring: {rules: [{id: a, idle: {event: x, fro: 3d}, points: 1}]}",
        5,
        "scoring.rules[0].idle.fro",
        "did you mean `for`",
    ),
    (HEAD + "audiences: {a: 3}", 5, "audiences.a", "must be a mapping"),
    (HEAD + "audiences: {A B: {score: 1}}", 5, "audiences.A B", "small letters"),
    (HEAD + "audiences: {a: {score: {$gte: 1}, $or: []}}", 5, "audiences.a.$or", "empty"),
    (HEAD + "audiences: {a: {$or: [{score: 1}, {intnet: low}]}}", 5, "audiences.a.$or[1].intnet", "`intent`"),
    (HEAD + "audiences: {a: {traits.t: {$regex: '(a+)+$'}}}", 5, "audiences.a.traits.t.$regex", ""),
    (HEAD + "audiences: {a: {$not: {audiences: b}}}", 5, "audiences.a.$not.audiences", "cannot depend"),
    (HEAD + "experiences: [{id: a, slot: a, choose: []}]", 5, "experiences[0].choose", "at least 1"),
    (
        HEAD + "experiences: [{id: a, slot: a, choose: [{variants: [{id: v, template: ''}]}]}]",
        5,
        "experiences[0].choose[0].variants[0].template",
        "must be a text",
    ),
    (
        HEAD + "experiences: [{id: a, slot: a, choose: [{variants: [{id: v, template: 3}]}]}]",
        5,
        "experiences[0].choose[0].variants[0].template",
        "must be a text",
    ),
    (
        HEAD + "alerts: [{id: a, on: page, channel: '#a', instruction: {ja: ''}}]",
        5,
        "alerts[0].instruction",
        "must be a text",
    ),
    (HEAD + "alerts: [{id: a, on: page, channel: '#a b'}]", 5, "alerts[0].channel", "Slack channel"),
    (
        HEAD + "alerts: [{id: a, on: page, channel: '#a', when: {scroe: 1}}]",
        5,
        "alerts[0].when.scroe",
        "`score`",
    ),
    (HEAD.replace("k\n", "'a b'\n"), 3, "write_key", "letters, digits"),
    (HEAD.replace("Demo", '"a\\nb"'), 2, "name", "one line"),
    (HEAD.replace("site: demo", "site: 12"), 1, "site", "must be text"),
    (HEAD.replace("site: demo", "site: a:b"), 1, "site", "small letters"),
    (HEAD.replace('["https://example.com"]', "[]"), 4, "origins", "at least 1"),
    *[
        (HEAD.replace("https://example.com", origin), 4, "origins[0]", words)
        for origin, words in [
            ("*", "origin"),
            ("null", "origin"),
            ("example.com", "origin"),
            ("https://example.com/", "origin"),
            ("https://*.example.com", "origin"),
            ("https://user@example.com", "origin"),
            ("ftp://example.com", "origin"),
            ("https://example.com:443", "leave out"),
            ("http://example.com:80", "leave out"),
        ]
    ],
    ("# " + "x" * 1024 * 1024, 1, "", "larger than 1 MB"),
]


@pytest.mark.parametrize(("text", "line", "field", "words"), SINGLE, ids=range(len(SINGLE)))
def test_one_mistake(text: str, line: int, field: str, words: str) -> None:
    found = mistakes(text)
    assert [(one.line, one.field) for one in found if one.field == field] == [(line, field)], found
    assert words in next(one.message for one in found if one.field == field)


def test_one_mistake_in_a_condition_hides_no_other() -> None:
    condition = "{scoer: 1, $or: [{traits.t: {$regex: '(a+)+$'}}, {intnet: low}], $gtt: 3, $and: 4}"
    found = mistakes(HEAD + f"audiences: {{a: {condition}}}")
    assert sorted(one.field.removeprefix("audiences.a.") for one in found) == [
        "$and",
        "$gtt",
        "$or[0].traits.t.$regex",
        "$or[1].intnet",
        "scoer",
    ]


def test_a_mistake_names_its_file() -> None:
    shown = Mistake(line=14, field="scoring.rules[2].points", message="must be a number").at("site.yaml")
    assert shown == "site.yaml:14: scoring.rules[2].points: must be a number"


@pytest.mark.parametrize("indicator", ["|", "|-", ">"])
def test_a_templates_mistake_is_found_in_the_files_line(indicator: str) -> None:
    text = HEAD + (
        "experiences:\n  - id: a\n    slot: a\n    choose:\n      - variants:\n"
        f"          - id: v\n            template: {indicator}\n              <p>\n\n"
        "              {{ scor }}</p>\n"
    )
    line = 1 + text[: text.index("{{ scor")].count("\n")
    # A folded text has lost its single line ends; the first line is the nearest that can be named.
    assert [one.line for one in mistakes(text)] in ([line], [line - 1])


def test_alias_bombs_are_refused() -> None:
    bomb = "a0: &a0 [x, x]\n" + "".join(
        f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 11)
    )
    assert "too large" in mistakes(HEAD + bomb)[0].message


def test_a_few_aliases_are_welcome() -> None:
    text = HEAD + "audiences:\n  a: &keen {score: {$gte: 9}}\n  b: *keen\n"
    found = check_text(text)
    assert isinstance(found, SiteFile)
    assert found.audiences["a"] == found.audiences["b"]


def test_words_stay_words() -> None:
    text = (
        HEAD + "audiences: {a: {traits.news: yes, traits.at: 22:00, traits.day: 2024-01-02, traits.on: on}}"
    )
    found = check_text(text)
    assert isinstance(found, SiteFile)
    assert list(found.audiences["a"].values()) == ["yes", "22:00", "2024-01-02", "on"]


def test_a_field_left_empty_is_not_there() -> None:
    found = check_text(HEAD + "alerts:\n  # - {id: later}\nscoring:\n  rules:\nlocale:\n")
    assert isinstance(found, SiteFile)
    assert (found.alerts, found.scoring.rules, found.locale) == ([], [], "en")
    assert [one.field for one in mistakes(HEAD.replace("Demo", "") + "alarms:\n")] == ["name", "alarms"]


ODD = [None, True, 3, -1.5, "", "x", "{{", [], [[1]], [None], {}, {"a": {"b": [1]}}, {"id": "a"}, {"$or": 3}]


def _spots(data: Any) -> Iterator[tuple[Any, Any]]:
    """Every container of the data with every key in it."""
    for key, value in list(data.items() if isinstance(data, dict) else enumerate(data)):
        yield data, key
        if isinstance(value, dict | list):
            yield from _spots(value)


def test_whatever_stands_anywhere_is_a_mistake_or_a_site() -> None:
    data = yaml.safe_load(json.dumps(read_text(CONTRACT)[1]))
    answers = {list: 0, SiteFile: 0}
    for number, (holder, key) in enumerate(_spots(data)):
        kept = holder[key]
        for odd in ODD[number % 3 :: 3]:  # all of them everywhere takes long, and finds the same
            holder[key] = odd
            found = check_text(json.dumps(data))
            if isinstance(found, SiteFile):
                compile_site(found, revision=1, rule_versions={})
            answers[type(found)] += 1
        holder[key] = kept
    assert answers[list] > 300
    assert answers[SiteFile] > 15


def test_a_published_file_is_read_back_from_its_data() -> None:
    file, data = read_text(CONTRACT)
    assert read_data(msgspec.json.decode(msgspec.json.encode(data))) == file


def test_read_text_raises_every_mistake() -> None:
    with pytest.raises(BadSiteFile) as error:
        read_text((CASES / "broken.yaml").read_text())
    assert len(error.value.mistakes) == len(BROKEN)


@pytest.mark.parametrize(
    ("text", "length"), [("90s", 90_000), ("30m", 1_800_000), ("6h", 21_600_000), ("180d", 15_552_000_000)]
)
def test_durations(text: str, length: int) -> None:
    assert milliseconds(text) == length


@pytest.mark.parametrize("text", ["", "30", "m", "30 m", "-3d", "0d", "1.5h", "3w", "99999d", "３d"])
def test_what_is_not_a_duration(text: str) -> None:
    with pytest.raises(ValueError):
        milliseconds(text)


@pytest.mark.parametrize(
    ("pattern", "path", "matches"),
    [
        ("/pricing*", "/pricing", True),
        ("/pricing*", "/pricing/erp/2", True),
        ("/pricing*", "/a/pricing", False),
        ("*/cases/*", "/ja/cases/acme", True),
        ("*/cases/*", "/ja/cases", False),
        ("/a*b*c", "/aXbYc", True),
        ("/a*b*c", "/acb", False),
        ("/ab*ba", "/aba", False),
        ("/ab*ba", "/abba", True),
        ("/exact", "/exact", True),
        ("/exact", "/exact/", False),
        ("/a.b", "/axb", False),
        ("*", "/anything", True),
        ("/a**b", "/ab", True),
        ("/*a" * 20 + "b", "/" + "a" * 5_000, False),
    ],
)
def test_globs(pattern: str, path: str, matches: bool) -> None:
    assert matcher(pattern)(path) is matches


def test_the_first_topic_that_matches_wins() -> None:
    topic_of = classifier([("/demo/pricing/erp*", "erp"), ("/demo/pricing*", "pricing")])
    assert [topic_of(path) for path in ("/demo/pricing/erp/1", "/demo/pricing", "/")] == [
        "erp",
        "pricing",
        "",
    ]


def test_the_compiled_site() -> None:
    file, _ = read_text(CONTRACT)
    site = compile_site(file, revision=3, rule_versions={"whitepaper": 4})
    assert (site.id, site.revision, site.locale, str(site.timezone)) == ("demo", 3, "ja", "Asia/Tokyo")
    assert site.origins == {"http://localhost:8080"}
    assert site.topic_of("/demo/pricing/erp") == "pricing"
    assert list(site.audiences) == ["first_time", "returning", "high_intent"]
    assert [
        name for name, is_in in site.audiences.items() if is_in({"session_count": 2, "intent": "high"})
    ] == [
        "returning",
        "high_intent",
    ]


def test_the_compiled_scoring_is_indexed_by_what_gives_points() -> None:
    scoring = compile_site(read_text(CONTRACT)[0], revision=1, rule_versions={"whitepaper": 4}).scoring
    assert {name: [rule.id for rule in rules] for name, rules in scoring.by_event.items()} == {
        "page": ["page-view"],
        "whitepaper_download": ["whitepaper"],
        "engage": ["pricing-dwell"],
    }
    assert [rule.id for rule in scoring.holding] == ["president"]
    assert [(rule.id, rule.idle_event, rule.idle_ms) for rule in scoring.idle] == [
        ("silent", "email_open", 180 * 86_400_000)
    ]
    assert {rule.id: rule.version for rule in scoring.rules}["whitepaper"] == 4
    dwell = scoring.by_event["engage"][0].when
    assert dwell is not None
    assert dwell({"page": {"topic": "pricing", "engaged_s": 61}})
    assert not dwell({"page": {"topic": "pricing", "engaged_s": 59}})


def test_the_compiled_experiences_and_alerts() -> None:
    text = HEAD + (
        "locale: ja\n"
        "audiences: {keen: {score: {$gte: 9}}}\n"
        "experiences: [{id: e, slot: s, choose: [{audience: keen, variants:"
        " [{id: v, weight: 3, template: {en: 'Hi {{ traits.name }}', ja: 'やあ'}}]},"
        " {variants: [{id: w, template: x}]}]}]\n"
        "alerts:\n"
        "  - {id: a, leaves: keen, channel: '#x', cooldown: 6h, when: {score: 3},"
        " instruction: {en: Call, ja: 電話}}\n"
    )
    site = compiled(text)
    first, second = site.experiences[0].choices
    assert (first.audience, first.variants[0].weight, second.audience, second.variants[0].weight) == (
        "keen",
        3,
        None,
        1,
    )
    assert first.variants[0].render({"locale": "en", "traits": {"name": "<x>"}}) == "Hi &lt;x&gt;"
    assert first.variants[0].render({"locale": "fr"}) == "やあ"
    alert = site.alerts[0]
    assert (alert.leaves, alert.cooldown_ms, alert.instruction) == ("keen", 21_600_000, "電話")
    assert alert.when is not None
    assert alert.when({"score": 3})


def test_the_schema_knows_every_field_of_the_contract() -> None:
    schema = json_schema()
    data = yaml.safe_load(CONTRACT)
    assert set(data) <= set(schema["properties"])
    assert set(schema["required"]) == {"site", "name", "write_key", "origins"}
    assert schema["$defs"]["IdleFile"]["properties"]["for"]["type"] == "string"
    assert schema["additionalProperties"] is False


def test_every_field_is_documented() -> None:
    page = (CASES.parent.parent.parent / "docs" / "site-file.md").read_text()
    schema = json_schema()
    fields = set(schema["properties"])
    for definition in schema["$defs"].values():
        fields |= set(definition.get("properties", ()))
    assert [name for name in sorted(fields) if f"`{name}`" not in page] == []
