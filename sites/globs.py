"""Path patterns in which `*` stands for any characters, `/` too. No regular expressions, so no slow ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache

CACHED_PATHS = 4096


def matcher(pattern: str) -> Callable[[str], bool]:
    """`/pricing*` -> a function that is true for `/pricing/erp`."""
    head, *rest = pattern.split("*")
    if not rest:
        return lambda path: path == pattern
    *middle, tail = rest

    def match(path: str) -> bool:
        end = len(path) - len(tail)
        if not path.startswith(head) or not path.endswith(tail) or end < len(head):
            return False
        at = len(head)
        for part in middle:
            found = path.find(part, at, end)
            if found < 0:
                return False
            at = found + len(part)
        return True

    return match


def classifier(topics: Sequence[tuple[str, str]]) -> Callable[[str], str]:
    """`(pattern, topic)` pairs -> the topic of a path: the first that matches, "" for none."""
    tests = [(matcher(pattern), topic) for pattern, topic in topics]

    @lru_cache(maxsize=CACHED_PATHS)
    def topic_of(path: str) -> str:
        return next((topic for match, topic in tests if match(path)), "")

    return topic_of
