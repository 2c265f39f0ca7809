"""A company's people together: how many are about, what they read, how keen they are.

Each visitor of a company leaves its own facts beside the others' (one writer each); the company's picture is
computed from them whenever it is looked at.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from core.profiles import Profile
from leads.model import Scoring
from leads.scoring import band

WEEK_MS = 7 * 86_400_000


class Facts(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One visitor of a company. `lead` is the person ("": the visitor stands for itself); `topics` when each was
    last read (epoch ms), of the last week."""

    lead: str = ""
    last_at: int = 0
    score: float = 0
    topics: dict[str, int] = msgspec.field(default_factory=dict)


def facts_of(profile: Profile, lead: str) -> Facts:
    """What a visitor leaves with its company."""
    recent = {
        t: stat.last_at for t, stat in profile.topics.items() if stat.last_at > profile.last_at - WEEK_MS
    }
    return Facts(lead=lead, last_at=profile.last_at, score=profile.score, topics=recent)


def picture(everyone: Mapping[str, Facts], *, now: int, scoring: Scoring) -> dict[str, Any]:
    """The attributes `account.*` at `now` (epoch ms): `people` seen in the last seven days, `topics` with the
    number of them who read about each, `score` (the highest of each person, summed) and `intent` (of the keenest).
    """
    about = {name: facts for name, facts in everyone.items() if now - facts.last_at < WEEK_MS}
    best: dict[str, float] = {}
    for name, facts in about.items():
        person = facts.lead or name
        best[person] = max(facts.score, best.get(person, facts.score))
    return {
        "people": len(best),
        "score": round(sum(best.values()), 6),
        "intent": band(max(best.values(), default=0), scoring),
        "topics": {topic: len(_readers(about, topic, now)) for topic in sorted(_topics(about.values()))},
    }


def _topics(about: Iterable[Facts]) -> set[str]:
    return {topic for facts in about for topic in facts.topics}


def _readers(about: Mapping[str, Facts], topic: str, now: int) -> set[str]:
    return {
        facts.lead or name
        for name, facts in about.items()
        if topic in facts.topics and now - facts.topics[topic] < WEEK_MS
    }


encode_facts = msgspec.json.Encoder().encode
decode_facts = msgspec.json.Decoder(Facts).decode
