"""Which of many conditions can hold at all, found by the value of one attribute instead of by asking each.

Most conditions of a large site ask for one value of an attribute: the page's path, its topic, a campaign. Those
that ask for another value than the visitor has are never looked at, however many there are.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Generic, TypeVar, overload

from core.values import ARRAYS, getter

T = TypeVar("T")

#: Fewer conditions on one attribute are asked one by one: a look-up costs as much.
FEW = 4


class Index(Sequence[T], Generic[T]):
    """A sequence of items, found by the values that their conditions ask for.

    `entries` are (condition, item); a condition of None asks for nothing.
    """

    def __init__(self, entries: Iterable[tuple[Mapping[str, Any] | None, T]]) -> None:
        placed = list(enumerate(entries))
        self._items = tuple(item for _, (_, item) in placed)
        asked = {number: _asked(condition or {}) for number, (condition, _) in placed}
        common = Counter(path for values in asked.values() for path in values)
        self._always: list[tuple[int, T]] = []
        self._by_value: dict[str, dict[str, list[tuple[int, T]]]] = {}
        for number, (_, item) in placed:
            path = max(asked[number], key=lambda one: common[one], default="")
            if common[path] < FEW:
                self._always.append((number, item))
                continue
            table = self._by_value.setdefault(path, {})
            for value in asked[number][path]:
                table.setdefault(value, []).append((number, item))
        self._tables: list[tuple[Callable[[Any], Any], dict[str, list[tuple[int, T]]]]] = [
            (getter(path), table) for path, table in self._by_value.items()
        ]

    @overload
    def __getitem__(self, at: int) -> T: ...
    @overload
    def __getitem__(self, at: slice) -> Sequence[T]: ...
    def __getitem__(self, at: int | slice) -> T | Sequence[T]:
        return self._items[at]

    def __len__(self) -> int:
        return len(self._items)

    def candidates(self, attributes: Mapping[str, Any]) -> Sequence[T]:
        """The items whose condition may hold, in the order given: no other one can."""
        if not self._tables:
            return self._items
        found = list(self._always)
        for get, table in self._tables:
            value = get(attributes)
            # `$in` takes an array by its elements.
            for one in value if isinstance(value, ARRAYS) else (value,):
                if isinstance(one, str):
                    found += table.get(one, ())
        return [self._items[number] for number in sorted(dict(found))]


def _asked(condition: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    """Attribute -> the texts of which it has to have one, for whatever the condition says at its top."""
    found: dict[str, tuple[str, ...]] = {}
    for path, wanted in condition.items():
        if path.startswith("$"):
            continue
        texts = _texts(wanted)
        if texts:
            found[path] = texts
    return found


def _texts(wanted: object) -> tuple[str, ...]:
    if isinstance(wanted, str):
        return (wanted,)
    if not isinstance(wanted, Mapping):
        return ()
    if isinstance(wanted.get("$eq"), str):
        return (wanted["$eq"],)
    among = wanted.get("$in")
    if isinstance(among, list | tuple) and among and all(isinstance(one, str) for one in among):
        return tuple(dict.fromkeys(among))
    return ()
