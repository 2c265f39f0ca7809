"""Which regular expressions are safe to run, judged before they run.

Python's `re` backtracks, so a pattern may take exponential time on a text that a visitor chooses. `refusal`
estimates the most ways a pattern can try on a text of `SUBJECT` characters and refuses those above `BUDGET`.
"""

from __future__ import annotations

import importlib
import math
import re
import warnings
from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

from core.errors import KizashiError

#: Patterns longer than this are refused.
LONGEST = 500
#: Texts are cut to this many characters before a pattern runs on them.
SUBJECT = 1_000
#: Estimated steps above which a pattern is refused: while it runs, everybody's events wait.
BUDGET = 5e7

_parser: Any = importlib.import_module("re._parser")
_SAMPLE = frozenset(map(chr, range(128))) | frozenset("éßİあア漢０　\u2028")
_CATEGORIES: dict[str, Callable[[str], bool]] = {
    "DIGIT": str.isdigit,
    "SPACE": str.isspace,
    "WORD": lambda c: c.isalnum() or c == "_",
}


class Unsafe(KizashiError):
    """The pattern could run for very long."""


class _Follow(NamedTuple):
    """What may come next: its first characters, and whether the match may also simply end here."""

    chars: frozenset[str]
    ends: bool


@lru_cache(maxsize=1024)
def refusal(pattern: str) -> str | None:
    """Why the pattern may not be used, None if it may."""
    if len(pattern) > LONGEST:
        return f"the pattern is longer than {LONGEST} characters"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            re.compile(pattern)
            items = list(_parser.parse(pattern))
    except (re.error, OverflowError, RecursionError) as error:
        return f"not a regular expression: {error}"
    return _danger(items, pattern)


@lru_cache(maxsize=1024)
def compiled(pattern: str, flags: int) -> re.Pattern[str] | None:
    """The compiled pattern, None where it is not a regular expression. Raises Unsafe where it is refused."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = re.compile(pattern, flags)
    except (re.error, OverflowError, RecursionError):
        return None
    if refusal(pattern):
        raise Unsafe
    return found


def _danger(items: list[Any], pattern: str) -> str | None:
    sample = _SAMPLE | frozenset(pattern) | frozenset(pattern.swapcase())
    scan = _Scan(sample)
    try:
        ways = scan.starts(items) * scan.sequence(items, _Follow(frozenset(), True))
    except (Unsafe, RecursionError):
        return "the pattern uses a back-reference or a conditional group"
    if math.isinf(ways):
        return "the pattern can take exponential time: a repeat inside a repeat, or a repeated (a|a)"
    # Of k wildcards over one text only the ordered choices are tried: one in k!.
    if ways / math.gamma(math.log(max(ways, 1), SUBJECT) + 1) > BUDGET:
        return "the pattern can take very long: too many wildcards; drop a leading .* or anchor it with ^"
    return None


class _Scan:
    """Counts the ways, over a sample of characters: ASCII, some others, and those in the pattern."""

    def __init__(self, sample: frozenset[str]) -> None:
        self.sample = sample

    def starts(self, items: list[Any]) -> float:
        """How many positions of the text a search may begin at."""
        if items and items[0][0].name == "AT" and items[0][1].name.startswith("AT_BEGINNING"):
            return 1
        return SUBJECT / _literals(items)

    def sequence(self, items: list[Any], follow: _Follow) -> float:
        ways = 1.0
        for index, (op, arg) in enumerate(items):
            rest = items[index + 1 :]
            ways *= self.item(op.name, arg, self.follow(rest, follow), _literals(rest))
        return ways

    def item(self, op: str, arg: Any, follow: _Follow, literals: int) -> float:
        if op in ("GROUPREF", "GROUPREF_EXISTS"):
            raise Unsafe
        if op in ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"):
            low, high, body = arg
            return self.repeat(low, high, list(body), follow, literals)
        if op == "BRANCH":
            return self.branch(arg[1], follow)
        if op == "SUBPATTERN":
            return self.sequence(list(arg[-1]), follow)
        if op == "ATOMIC_GROUP":
            return self.sequence(list(arg), follow)
        if op in ("ASSERT", "ASSERT_NOT"):
            return self.sequence(list(arg[1]), _Follow(frozenset(), True))
        # The parser turns (a|a) into the set [aa].
        return 2.0 if op == "IN" and len(set(arg)) < len(arg) else 1.0

    def repeat(self, low: int, high: int, items: list[Any], follow: _Follow, literals: int) -> float:
        first = self.first(items)
        times = min(int(high), SUBJECT)
        again = _Follow(first | follow.chars, False) if times > 1 else follow
        inner = self.sequence(items, again)
        ways = 1.0 if inner == 1 else _power(inner, times)
        overlaps = bool(first & follow.chars) and not follow.ends
        return ways * max(1.0, (times - low + 1) / literals) if overlaps and times > low else ways

    def branch(self, branches: list[Any], follow: _Follow) -> float:
        seen: frozenset[str] = frozenset()
        shared = False
        for branch in branches:
            first = self.follow(list(branch), follow).chars
            shared = shared or bool(first & seen)
            seen |= first
        ways = [self.sequence(list(branch), follow) for branch in branches]
        return sum(ways) if shared else max(ways)

    def follow(self, rest: list[Any], after: _Follow) -> _Follow:
        chars: frozenset[str] = frozenset()
        for op, arg in rest:
            if op.name == "AT" and arg.name.startswith("AT_END"):
                return _Follow(chars, False)
            chars |= self.chars(op.name, arg)
            if not _nullable(op.name, arg):
                return _Follow(chars, False)
        return _Follow(chars | after.chars, after.ends)

    def first(self, items: list[Any]) -> frozenset[str]:
        return self.follow(items, _Follow(frozenset(), False)).chars

    def chars(self, op: str, arg: Any) -> frozenset[str]:
        """The characters of the sample that the item can begin with."""
        if op == "LITERAL":
            return frozenset((chr(arg), chr(arg).lower(), chr(arg).upper()))
        if op == "NOT_LITERAL":
            return self.sample - {chr(arg)}
        if op == "IN":
            return self.members(arg)
        if op == "BRANCH":
            return frozenset().union(*(self.first(list(branch)) for branch in arg[1]))
        if op in ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT", "SUBPATTERN"):
            return self.first(list(arg[-1]))
        if op == "ATOMIC_GROUP":
            return self.first(list(arg))
        return frozenset() if op in ("AT", "ASSERT", "ASSERT_NOT") else self.sample

    def members(self, parts: list[Any]) -> frozenset[str]:
        found: set[str] = set()
        for op, arg in parts:
            if op.name == "LITERAL":
                found.add(chr(arg))
            elif op.name == "RANGE":
                found |= {chr(arg[0]), chr(arg[1])} | {c for c in self.sample if arg[0] <= ord(c) <= arg[1]}
            elif op.name == "CATEGORY":
                found |= self.category(arg.name)
        if parts and parts[0][0].name == "NEGATE":
            return self.sample - found
        return frozenset(found) | {c.swapcase() for c in found}

    def category(self, name: str) -> set[str]:
        test = _CATEGORIES[name.rsplit("_", 1)[-1]]
        wanted = "NOT" not in name
        return {c for c in self.sample if test(c) is wanted}


def _literals(items: list[Any]) -> int:
    """How many different characters are required to come first: the more, the fewer places match."""
    run = set()
    for op, arg in items:
        if op.name != "LITERAL":
            break
        run.add(arg)
    return max(1, len(run))


def _nullable(op: str, arg: Any) -> bool:
    if op in ("AT", "ASSERT", "ASSERT_NOT"):
        return True
    if op in ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"):
        return arg[0] == 0 or _all_nullable(arg[2])
    if op == "BRANCH":
        return any(_all_nullable(branch) for branch in arg[1])
    if op in ("SUBPATTERN", "ATOMIC_GROUP"):
        return _all_nullable(arg[-1] if op == "SUBPATTERN" else arg)
    return False


def _all_nullable(items: Any) -> bool:
    return all(_nullable(op.name, arg) for op, arg in items)


def _power(base: float, times: int) -> float:
    try:
        found = base**times
    except OverflowError:
        return math.inf
    return math.inf if found > 1e30 else found
