"""Conditions: the table, GrowthBook's own SDK as the independent oracle, and what the strict check refuses."""

from __future__ import annotations

import json
import re
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
from growthbook.core import evalCondition
from hypothesis import given, settings
from hypothesis import strategies as st

from core.conditions import (
    ConditionError,
    Problem,
    check_condition,
    compile_condition,
    ensure_valid,
    explain,
    matches,
    paths,
)
from core.errors import KizashiError

CASES: list[list[Any]] = json.loads(
    (Path(__file__).parents[1] / "cases" / "conditions.json").read_text(encoding="utf-8")
)
ROWS = [(*case[1:4], case[4] if len(case) > 4 else None) for case in CASES]
NAMES = [case[0] for case in CASES]

#: Where Kizashi leaves the SDK on purpose: condition, attributes, Kizashi's answer, the SDK's answer.
CORNERS: dict[str, tuple[dict[str, Any], dict[str, Any], bool, bool]] = {
    "a pattern sees the first 1,000 characters: a bound on the time": (
        {"t": {"$regex": "x$"}},
        {"t": "a" * 1_000 + "x"},
        False,
        True,
    ),
    "a refused pattern matches nobody: it could stall every visitor": (
        {"t": {"$regex": "^(a+)+$"}},
        {"t": "aa"},
        False,
        True,
    ),
    "a refused pattern matches nobody under $not either": (
        {"t": {"$not": {"$regex": "^(a+)+$"}}},
        {"t": "b"},
        False,
        True,
    ),
    "profiles hold tuples: they are arrays": ({"t": {"$in": ["a"]}}, {"t": ("a", "b")}, True, False),
    "only ASCII digits make a number in a version, as the specification has it": (
        {"v": {"$vlt": "1.10.0"}},
        {"v": "1.९.0"},
        False,
        True,
    ),
}

BOMBS = [
    "(a+)+",
    "(a+)+$",
    "(a*)*b",
    "(a|a)*",
    "(a|aa)+$",
    "(a?a)*b",
    "(.*)*x",
    r"^(\d+)*$",
    r"(\w+\s*)+$",
    "([a-z]+)*=",
    "(x+x+)+y",
    "(?:a+|b+)*c",
    "((a+)b?)+c",
    "(.*a){12}",
    "(?=(a+)+$)a",
    "(a{1,10}){1,10}$",
    ".*.*.*.*x",
    "a.*b.*c.*d",
    r"\s+\s+\s+$",
    r"(a)\1",
    r"(?P<q>a)(?P=q)",
    "(a)?(?(1)b|c)",
    "x" * 501,
    "[",
    "(?<name>a)",
]

#: Patterns as people write them, and the text that costs them most.
FINE = {
    "社長|CEO|President": "社" * 1_000,
    ".*社長.*": "部" * 1_000,
    "社長.*東京.*大阪": "社長" * 166 + "東京" * 330,
    "pricing.*erp.*plan": "pricing" * 70 + "erp" * 170,
    "@example\\.com$": "@" * 1_000,
    r"^\d+\.\d+\.\d+$": "1" * 1_000,
    r"(\d{1,3}\.){3}\d{1,3}": "123." * 250,
    "^/demo/(pricing|case)/.*$": "/demo/case/" * 90,
    r"(\w+\s)+$": "a " * 499 + "!!",
    "^(社長|部長|CEO)+$": "社長" * 499 + "x",
    r"[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\.[a-z]{2,}$": "a@" + "a." * 499,
    r"https?://(www\.)?example\.(com|co\.jp)/": "http://www." * 90,
    "(?i)ceo": "c" * 1_000,
    r"\bCTO\b": "CTO " * 250,
}


@pytest.mark.parametrize(("condition", "attributes", "expected", "groups"), ROWS, ids=NAMES)
def test_a_condition_answers_what_the_table_says(
    condition: dict[str, Any], attributes: dict[str, Any], expected: bool, groups: dict[str, Any] | None
) -> None:
    assert matches(condition, attributes, groups) is expected


@pytest.mark.parametrize(("condition", "attributes", "expected", "groups"), ROWS, ids=NAMES)
def test_the_table_is_growthbooks(
    condition: dict[str, Any], attributes: dict[str, Any], expected: bool, groups: dict[str, Any] | None
) -> None:
    assert evalCondition(attributes, condition, groups) is expected


def _asked(condition: Any, attributes: dict[str, Any]) -> bool:
    """The answer of the closures, which the code has to give as well."""
    return compile_condition(condition)(MappingProxyType(attributes))


@pytest.mark.parametrize("corner", CORNERS)
def test_where_kizashi_leaves_the_sdk(corner: str) -> None:
    condition, attributes, ours, theirs = CORNERS[corner]
    assert matches(condition, attributes) is ours
    assert evalCondition(attributes, condition) is theirs


NUMBERS = st.integers(-3, 12) | st.sampled_from([0.0, 1.0, 1.5, -0.0, 1e21, 2.5e-7])
TEXTS = st.sampled_from(
    ["", "a", "A", "b", "ab", "1", "8", "10", "1.2.3", "v1.10.0", "1.0.0-rc.1", "社長", "😀"]
)
SCALARS = st.none() | st.booleans() | NUMBERS | TEXTS
KEYS = st.sampled_from(["a", "b", "c", "1", "0"])
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=6,
)
PATHS = st.sampled_from(["a", "b", "c", "a.b", "a.0", "b.1", "a.length", "c.a.b", "a..b"])
ORDERINGS = st.sampled_from(["$lt", "$lte", "$gt", "$gte", "$veq", "$vne", "$vlt", "$vlte", "$vgt", "$vgte"])
MEMBERSHIPS = st.sampled_from(["$in", "$nin", "$ini", "$nini", "$all", "$alli"])
PATTERNS = st.sampled_from(["a", "^a$", "b?", "[0-9]+", "社|x", "(", "*", "^$"])
REGEXES = st.sampled_from(["$regex", "$regexi", "$notRegex", "$notRegexi"])
TYPES = st.sampled_from(["string", "number", "boolean", "array", "object", "null", "undefined", "x"])
GROUPS = {
    "some": [1, "a", None, 8],
    "typed": {"type": "list", "attributeKey": "a", "values": ["a", 1, True]},
    "rule": {"type": "condition", "condition": {"a": {"$gt": 3}}},
    "odd": {"type": "cloud"},
    "bad": {"type": "list", "values": 5},
    "null": None,
}
GROUP_IDS = st.sampled_from([*GROUPS, "missing"]) | st.just(5)


def _operators(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    pairs = st.one_of(
        st.tuples(st.sampled_from(["$eq", "$ne"]), VALUES),
        st.tuples(ORDERINGS, SCALARS),
        st.tuples(MEMBERSHIPS, st.lists(SCALARS, max_size=4) | SCALARS),
        st.tuples(st.sampled_from(["$all", "$alli"]), st.lists(inner, max_size=2)),
        st.tuples(REGEXES, PATTERNS | NUMBERS),
        st.tuples(st.just("$exists"), st.booleans() | st.sampled_from([0, 1, None])),
        st.tuples(st.just("$type"), TYPES),
        st.tuples(st.sampled_from(["$inGroup", "$notInGroup"]), GROUP_IDS),
        st.tuples(st.sampled_from(["$not", "$size", "$elemMatch"]), inner),
        st.tuples(st.sampled_from(["$regx", "$or", "$savedGroup"]), inner),
    )
    return st.lists(pairs, min_size=1, max_size=2).map(dict)


EXPECTED = st.recursive(VALUES, lambda inner: _operators(inner) | st.dictionaries(PATHS, inner, max_size=2))


def _joined(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    parts = st.one_of(
        st.tuples(st.sampled_from(["$and", "$or", "$nor"]), st.lists(inner, max_size=3)),
        st.tuples(st.just("$not"), inner),
        st.tuples(st.just("$savedGroup"), st.fixed_dictionaries({"id": GROUP_IDS})),
        st.tuples(st.sampled_from(["$and", "$or", "$nor", "$not"]), SCALARS),
        st.tuples(PATHS, EXPECTED),
    )
    return st.lists(parts, max_size=3).map(dict)


CONDITIONS = st.recursive(st.dictionaries(PATHS, EXPECTED, max_size=2), _joined, max_leaves=6)
ATTRIBUTES = st.dictionaries(st.sampled_from(["a", "b", "c"]), VALUES)


@settings(max_examples=700, deadline=None)
@given(CONDITIONS, ATTRIBUTES)
def test_answers_equal_growthbooks(condition: dict[str, Any], attributes: dict[str, Any]) -> None:
    assert matches(condition, attributes, GROUPS) is evalCondition(attributes, condition, GROUPS)


PLAIN_LEAVES = st.dictionaries(
    st.sampled_from(
        ["$eq", "$ne", "$lt", "$gte", "$in", "$nin", "$exists", "$regex", "$regexi", "$veq", "$type"]
    ),
    SCALARS | st.lists(SCALARS, max_size=3),
    min_size=1,
    max_size=3,
)
PLAIN = st.recursive(
    st.dictionaries(PATHS, SCALARS | PLAIN_LEAVES, max_size=3),
    lambda inner: (
        st.dictionaries(
            st.sampled_from(["$and", "$or", "$nor"]), st.lists(inner, min_size=1, max_size=3), max_size=2
        )
        | st.fixed_dictionaries({"$not": inner})
    ),
    max_leaves=5,
)


@settings(max_examples=700, deadline=None)
@given(PLAIN, ATTRIBUTES)
def test_code_answers_what_closures_answer(condition: dict[str, Any], attributes: dict[str, Any]) -> None:
    assert compile_condition(condition)(attributes) is _asked(condition, attributes)


@pytest.mark.parametrize("depth", [10, 60, 90, 110, 150])
def test_nesting_too_deep_for_code_is_left_to_closures(depth: int) -> None:
    condition: dict[str, Any] = {"a": 1}
    for _ in range(depth):
        condition = {"$not": condition}
    assert matches(condition, {"a": 1}) is _asked(condition, {"a": 1}) is (depth % 2 == 0)


@given(
    st.recursive(SCALARS | st.floats(), lambda s: st.lists(s) | st.dictionaries(st.text() | KEYS, s)), VALUES
)
def test_odd_data_never_raises(condition: Any, attributes: Any) -> None:
    assert matches(condition, attributes) in (True, False)
    assert all(isinstance(problem, Problem) for problem in check_condition(condition))


def test_deep_nesting_matches_nobody() -> None:
    condition: dict[str, Any] = {"a": 1}
    for _ in range(10_000):
        condition = {"$not": condition}
    assert matches(condition, {"a": 1}) is False
    assert "nested too deeply" in check_condition(condition)[0].message


def test_a_compiled_condition_serves_many_visitors() -> None:
    test = compile_condition({"score": {"$gte": 50}, "id": {"$notInGroup": "staff"}}, {"staff": ["me"]})
    visitors = [{"score": 49, "id": "x"}, {"score": 50, "id": "x"}, {"score": 90, "id": "me"}, {}]
    assert [test(visitor) for visitor in visitors] == [False, True, False, False]


@pytest.mark.parametrize("pattern", BOMBS)
def test_a_slow_pattern_is_refused_and_never_run(pattern: str) -> None:
    condition = {"traits.title": {"$regex": pattern}}
    problems = check_condition(condition)
    assert [problem.path for problem in problems] == [("traits.title", "$regex")]
    assert matches(condition, {"traits": {"title": "a" * 1_000 + "!"}}) is False


@pytest.mark.parametrize("pattern", FINE)
def test_an_ordinary_pattern_is_allowed(pattern: str) -> None:
    condition = {"t": {"$regex": pattern}}
    assert check_condition(condition) == []
    assert matches(condition, {"t": FINE[pattern]}) is bool(re.search(pattern, FINE[pattern]))


MISTAKES: list[tuple[Any, tuple[str | int, ...], str]] = [
    ("x", (), "must be an object"),
    ({"a": {"$regx": "x"}}, ("a", "$regx"), "unknown operator $regx: did you mean $regex?"),
    ({"$nott": {"a": 1}}, ("$nott",), "did you mean $not?"),
    ({"$gte": 5}, ("$gte",), "needs an attribute"),
    ({"a": {"$or": [{"$eq": 1}]}}, ("a", "$or"), "joins whole conditions"),
    ({"a": {"$gt": 1, "b": 2}}, ("a",), "mixes operators"),
    ({"a": {}}, ("a",), "matches everything"),
    ({"$or": []}, ("$or",), "empty"),
    ({"$and": {"a": 1}}, ("$and",), "must be a list"),
    ({"$or": [{"a": 1}, {"b": {"$gt": True}}]}, ("$or", 1, "b", "$gt"), "number or text"),
    ({"$not": 5}, ("$not",), "must be an object"),
    ({5: "x"}, (5,), "must be text"),
    ({"a": {"$in": "x"}}, ("a", "$in"), "list"),
    ({"a": {"$in": [{"b": 1}]}}, ("a", "$in"), "plain values"),
    ({"a": {"$eq": [1]}}, ("a", "$eq"), "never equals a list"),
    ({"a": {"$exists": "yes"}}, ("a", "$exists"), "true or false"),
    ({"a": {"$type": "text"}}, ("a", "$type"), "must be one of string"),
    ({"a": {"$size": "2"}}, ("a", "$size"), "must be a number"),
    ({"a": {"$size": {"$gt": None}}}, ("a", "$size", "$gt"), "number or text"),
    ({"a": {"$regex": 5}}, ("a", "$regex"), "must be text"),
    ({"a": {"$not": {"$regexi": "("}}}, ("a", "$not", "$regexi"), "not a regular expression"),
    ({"a": {"$elemMatch": 5}}, ("a", "$elemMatch"), "must be an object"),
    ({"a": {"$elemMatch": {"b": {"$lt": None}}}}, ("a", "$elemMatch", "b", "$lt"), "number or text"),
    ({"a": {"$all": [{"$gt": []}]}}, ("a", "$all", 0, "$gt"), "number or text"),
    ({"a": {"$inGroup": ["x"]}}, ("a", "$inGroup"), "must be text"),
    ({"$savedGroup": "vip"}, ("$savedGroup",), "must name a saved group"),
]


@pytest.mark.parametrize(("condition", "path", "message"), MISTAKES)
def test_the_strict_check_names_the_mistake(
    condition: Any, path: tuple[str | int, ...], message: str
) -> None:
    (problem,) = check_condition(condition)
    assert problem.path == path
    assert message in problem.message


def test_the_strict_check_lists_every_mistake() -> None:
    condition = {"a": {"$gt": None}, "$or": [{"b": {"$in": 1}}]}
    with pytest.raises(ConditionError) as caught:
        ensure_valid(condition)
    assert [problem.path for problem in caught.value.problems] == [("a", "$gt"), ("$or", 0, "b", "$in")]
    assert isinstance(caught.value, KizashiError)
    assert "a.$gt: must be a number or text" in str(caught.value)


VALID = [
    {},
    {"intent": "high"},
    {"page.topic": "pricing", "page.engaged_s": {"$gte": 60}},
    {"$or": [{"traits.title": {"$regex": "社長|CEO"}}, {"$not": {"score": {"$lt": 5}}}]},
    {"audiences": {"$elemMatch": {"$in": ["a", "b"]}}, "traits": {"$exists": True}},
    {"tags": ["a"], "id": None, "v": {"$vgte": "1.2.3"}, "n": {"$size": {"$gt": 1}}},
    {"id": {"$inGroup": "staff"}, "$savedGroup": {"id": "vip"}},
    {"a": {"$all": ["x", {"$gt": 1}]}, "b": {"$not": {"$type": "null"}}},
]


@pytest.mark.parametrize("condition", VALID)
def test_a_valid_condition_has_no_problem(condition: dict[str, Any]) -> None:
    assert check_condition(condition) == []
    ensure_valid(condition)


def test_an_explanation_has_a_row_per_leaf() -> None:
    condition = {"score": {"$gte": 50, "$lt": 90}, "$not": {"traits.title": "intern"}, "intent": "high"}
    leaves = explain(condition, {"score": 95, "intent": "high"})
    rows = [
        (leaf.path, leaf.operator, leaf.expected, leaf.found, leaf.matched, leaf.negated) for leaf in leaves
    ]
    assert rows == [
        ("score", "$gte", 50, 95, True, False),
        ("score", "$lt", 90, 95, False, False),
        ("traits.title", "$eq", "intern", None, False, True),
        ("intent", "$eq", "high", "high", True, False),
    ]


@given(st.lists(st.dictionaries(PATHS, EXPECTED, min_size=1, max_size=2), min_size=1, max_size=3), ATTRIBUTES)
def test_a_conjunction_matches_where_all_its_leaves_do(
    parts: list[dict[str, Any]], attributes: dict[str, Any]
) -> None:
    condition = {"$and": parts}
    leaves = explain(condition, attributes, GROUPS)
    assert all(leaf.matched for leaf in leaves) is matches(condition, attributes, GROUPS)


def test_paths_are_the_attributes_a_condition_reads() -> None:
    condition = {
        "intent": "high",
        "$or": [{"traits.title": {"$exists": True}}, {"$nor": [{"page.topic": "pricing"}]}],
        "$not": {"$and": [{"events.download.count": {"$gt": 1}}]},
        "tags": {"$elemMatch": {"inner": 1}},
    }
    assert paths(condition) == {"intent", "traits.title", "page.topic", "events.download.count", "tags"}
