"""Mutual exclusion by GrowthBook's namespaces.

Each visitor has one place in a namespace; experiences take shares of it that do not overlap
(https://docs.growthbook.io/lib/build-your-own). GrowthBook hashes namespaces in its version 1.
"""

from __future__ import annotations

from core.bucketing import fnv1a32
from personalization.model import Namespace


def place(name: str, visitor: str) -> float:
    """Where a visitor falls in the namespace, in [0, 1), in steps of 1/1000."""
    return (fnv1a32(f"{visitor}__{name}") % 1_000) / 1_000


def admits(namespace: Namespace, visitor: str) -> bool:
    """Whether the visitor is in the experience's share of the namespace."""
    return namespace.start <= place(namespace.name, visitor) < namespace.end
