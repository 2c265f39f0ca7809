"""Every Redis key Kizashi uses, its type and its life. Nothing else in the code spells a key.

`{site}` and `{visitor}` are checked to hold no colon before they get here.
"""

from __future__ import annotations

#: hash site -> number of its current revision. Lives for ever.
SITES = "kz:sites"
#: string, bumped by every publish; web and worker watch it. Lives for ever.
SITES_CHANGED = "kz:sites:changed"
#: stream of alerts waiting to be sent. Entries go when their alert is settled.
OUTBOX = "kz:outbox"
#: sorted set "kind:alert id" -> when (ms) it goes (back) into the outbox. Entries go when they have.
LATER = "kz:outbox:later"
#: string, the fencing token of the process that sends alerts. Seconds.
DISPATCH_LEASE = "kz:outbox:lease"
#: sorted set "site:visitor" -> when (ms) an idle rule of that visitor comes due. Entries go when it has.
TIMERS = "kz:timers"
#: hash event id -> JSON of an event whose processing failed three times, with the reason. Until replayed.
DEAD_LETTERS = "kz:dlq"


def revision(site: str, number: int) -> str:
    """string, JSON: one published revision of a site. Lives for ever."""
    return f"kz:site:{site}:rev:{number}"


def profile(site: str, visitor: str) -> str:
    """string: position + packed profile of one visitor (see storage/profiles.py). Life: 400 days idle."""
    return f"kz:p:{site}:{visitor}"


def ledger(site: str, visitor: str) -> str:
    """list of packed batches of ledger entries, oldest first (see core/ledger.py). Life: as the profile's."""
    return f"kz:l:{site}:{visitor}"


def recent(site: str, visitor: str) -> str:
    """list of packed batches of a visitor's recent events, to be folded again when a late one arrives (see
    core/recents.py). Life: 75 h."""
    return f"kz:e:{site}:{visitor}"


def base(site: str, visitor: str) -> str:
    """string: packed profile before the first of the recent events; absent for a new visitor. Life: 75 h."""
    return f"kz:b:{site}:{visitor}"


def person(site: str, identifier: str) -> str:
    """hash visitor -> JSON of what ties it to a lead: the visitors known by one user id or e-mail address
    (as a digest). Each field is written by its visitor's worker. Life: 400 days after the last session began.
    """
    return f"kz:i:{site}:{identifier}"


def account(site: str, digest: str) -> str:
    """hash visitor -> JSON facts (lead, score, topics): the visitors of one company, by the digest of its name.
    Each field is written by its visitor's worker. Life: 100 days.
    """
    return f"kz:a:{site}:{digest}"


def measured(site: str) -> str:
    """hash counter -> total: visitors by experience, audience, variant and goal. Lives for ever."""
    return f"kz:m:{site}"


def alerts_of(site: str, visitor: str) -> str:
    """set of the ids of one visitor's alerts. Life: 90 days."""
    return f"kz:va:{site}:{visitor}"


def draft(site: str, name: str) -> str:
    """string, JSON: a site file kept for a preview. Life: 24 hours."""
    return f"kz:site:{site}:draft:{name}"


def live(site: str, visitor: str) -> str:
    """channel (not a key): says that a visitor's profile, or one that it shares, has changed. Carries nothing."""
    return f"kz:live:{site}:{visitor}"


def episode(episode_id: str) -> str:
    """hash: one buying episode: its messages, who has claimed it, until when it sleeps. Life: 90 days."""
    return f"kz:episode:{episode_id}"


def unfit(site: str, visitor: str) -> str:
    """string: JSON of who said that a visitor is not a fit, and when. Life: 30 days."""
    return f"kz:unfit:{site}:{visitor}"


def channel_posts(channel: str) -> str:
    """list of when (ms) the last messages to a channel were posted. Life: 10 minutes after the last."""
    return f"kz:outbox:posts:{channel}"


def alert(alert_id: str) -> str:
    """hash: one alert's state and its record. Life: 90 days."""
    return f"kz:alert:{alert_id}"


def alerts(site: str) -> str:
    """sorted set of a site's alert ids by time (ms). Trimmed to the newest 10,000."""
    return f"kz:alerts:{site}"


def stream(topic: str, partition: int) -> str:
    """stream: one partition of a topic. Trimmed below what is committed."""
    return f"kz:t:{topic}:{partition}"


def offsets(group: str) -> str:
    """hash topic:partition -> next offset to read. Lives for ever."""
    return f"kz:g:{group}:offsets"


def lease(group: str) -> str:
    """string, the fencing token of the worker that owns the group's partitions. Seconds."""
    return f"kz:g:{group}:lease"


def epoch(topic: str) -> str:
    """string: a random id given to a topic when it is first made. Lives as the topic does."""
    return f"kz:t:{topic}:epoch"
