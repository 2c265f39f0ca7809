"""The ledger in batches: every entry stands in one place, however the entries came."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.ledger import FIRST, LATER, batches, elements
from core.profiles import Entry


def entries(count: int) -> list[Entry]:
    return [Entry(event=f"e{n}", rule="r", rule_version=1, points=1, at=n) for n in range(count)]


@given(st.lists(st.integers(0, 30), max_size=12))
def test_batches_do_not_depend_on_how_many_come_at_once(counts: list[int]) -> None:
    every, stored, latest = entries(sum(counts)), list[list[Entry]](), list[Entry]()
    taken = 0
    for count in counts:
        full, rest = batches(taken - len(latest), [*latest, *every[taken : taken + count]])
        stored += [list(one) for one in full]
        latest, taken = list(rest), taken + count
    assert [one for batch in stored for one in batch] + latest == every
    assert ([list(one) for one in batches(0, every)[0]], list(batches(0, every)[1])) == (stored, latest)
    assert elements(taken, 0) == len(stored)


@pytest.mark.parametrize(
    ("count", "loose", "expected"),
    [
        (0, 0, 0),
        (FIRST - 1, 0, 0),
        (FIRST, 0, 1),
        (FIRST + LATER - 1, 0, 1),
        (FIRST + LATER, 0, 2),
        (7, 9, 7),
        (9, 9, 9),
        (9 + FIRST, 9, 10),
    ],
)
def test_where_the_first_entries_stand(count: int, loose: int, expected: int) -> None:
    assert elements(count, loose) == expected
