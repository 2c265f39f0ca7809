"""Alerts that come together in one Slack message: late ones, those of quiet hours, those beyond the budget."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from alerts.blocks import (
    HEADER_LIMIT,
    Block,
    button,
    context,
    header,
    joined,
    length,
    line,
    link,
    section,
)
from alerts.details import who
from alerts.escape import mrkdwn, plain
from alerts.labels import labels
from alerts.links import VisitorUrl
from alerts.messages import BLOCK_ID, NOBODY, envelope, mention
from alerts.model import Alert
from alerts.points import shown_score
from alerts.standing import Standing
from alerts.times import clock, day, moment
from alerts.words import duration

Cause = Literal["late", "quiet", "budget"]
_WORDS: dict[Cause, str] = {"late": "digest", "quiet": "digest_quiet", "budget": "digest_budget"}
#: Visitors shown with a link and what they did; the others are named.
SHOWN = 10
#: So many visitors with late alerts are named besides, those with an enquiry always: more would be a wall.
NAMED_LATE = 20
#: The lines and names together take so many characters, see `alerts.blocks.TOTAL_LIMIT`; and so many once it says
#: who has which of them.
ROOM = 8_500
ROOM_LATER = 9_400
_BULLET = "• "


@dataclass(frozen=True, kw_only=True, slots=True)
class Digest:
    """A message, the ids of the alerts that it names, and of those that it only counts."""

    message: dict[str, Any]
    named: frozenset[str]
    counted: frozenset[str] = frozenset()

    @property
    def told(self) -> frozenset[str]:
        """All that it tells."""
        return self.named | self.counted


@dataclass(frozen=True, kw_only=True, slots=True)
class _Shown:
    """The blocks about the first visitors, and how many of them."""

    count: int
    blocks: list[Block]


def in_digest(alerts: Sequence[Alert]) -> list[list[Alert]]:
    """The alerts by visitor, in the order they are named: the urgent first, then by score."""
    people: dict[tuple[str, str], list[Alert]] = {}
    for alert in alerts:
        people.setdefault((alert.site, alert.visitor), []).append(alert)
    return sorted(people.values(), key=_rank)


def _rank(alerts: Sequence[Alert]) -> tuple[bool, float, int, str]:
    latest = _latest(alerts)
    return (not _is_urgent(alerts), -latest.score, -latest.at, latest.id)


def _is_urgent(alerts: Sequence[Alert]) -> bool:
    return any(one.urgent for one in alerts)


def lines(alerts: Sequence[Alert]) -> list[Alert]:
    """Those that a digest of `alerts` has a line about, each with its button: the latest of each visitor shown."""
    return [_latest(one) for one in in_digest(alerts)[:SHOWN]]


def digest_message(
    alerts: Sequence[Alert],
    *,
    visitor_url: VisitorUrl,
    cause: Cause,
    stale_ms: int,
    duplicate: bool = False,
    standings: Mapping[str, Standing] | None = None,
    room: int = ROOM,
    more: int = 0,
) -> Digest:
    """One message for (some of) `alerts` of one channel.

    What does not fit in `room` characters is for the next one. Late alerts, unless they are urgent, are only
    counted then: a backlog must not fill a channel with old news. `more` were counted before. `stale_ms` is the
    age that makes an alert late. The language is that of the first alert's site. `standings` (by alert) are for
    messages whose buttons work: then each line ends with one.
    """
    people, words = in_digest(alerts), labels(alerts[0].locale)
    shown = _shown(people, visitor_url, standings)
    rest = people[shown.count :]
    if cause == "late":
        rest = rest[: max(NAMED_LATE, sum(map(_is_urgent, rest)))]
    also = joined([_short(one) for one in rest], max(0, room - length(shown.blocks))).split("\n")
    also = [one for one in also if one]
    named, left = _ids(people[: shown.count + len(also)]), people[shown.count + len(also) :]
    counted = _ids(one for one in left if cause == "late" and not _is_urgent(one))
    beside = len(counted) + more
    title = words[_WORDS[cause]].format(count=len(named) + beside)
    why = words[f"{_WORDS[cause]}_why"].format(age=duration(stale_ms, alerts[0].locale))
    blocks = [
        *([context(f":warning: {words['duplicate']}")] if duplicate else []),
        header(plain(title, HEADER_LIMIT)),
        section(why),
        *shown.blocks,
        *_sections([words["digest_also"], *also] if also else []),
        *([section(words["digest_more"].format(count=beside))] if beside else []),
    ]
    mark = words["duplicate_short"] if duplicate else ""
    text = f"{mark}{title}: {mrkdwn(who(people[0][-1]), 120)}"
    message = envelope(text, blocks, {"id": people[0][-1].id, "count": len(named) + beside})
    return Digest(message=message, named=named, counted=counted)


def _ids(people: Iterable[Sequence[Alert]]) -> frozenset[str]:
    return frozenset(one.id for person in people for one in person)


def _shown(
    people: Sequence[list[Alert]], visitor_url: VisitorUrl, standings: Mapping[str, Standing] | None
) -> _Shown:
    """The visitors with a link, and what they did: each in a block with its button, else together in one."""
    today = max(alert.at for person in people for alert in person)
    texts = [_line(one, visitor_url, today) for one in people[:SHOWN]]
    if standings is None:
        together = joined(texts)
        return _Shown(count=together.count("\n") + 1, blocks=[section(together)])
    heads = [_latest(one) for one in people[:SHOWN]]
    blocks = [
        _actionable(text.removeprefix(_BULLET), head, standings.get(head.id, NOBODY))
        for text, head in zip(texts, heads, strict=True)
    ]
    return _Shown(count=len(blocks), blocks=blocks)


def _actionable(text: str, alert: Alert, standing: Standing) -> Block:
    """A line, whose it is, and the button for what comes next. The name in it opens the visitor."""
    words = labels(alert.locale)
    if standing.unfit is not None:
        return section(f"{text} · :no_entry_sign: {mention(standing.unfit.by)}")
    block_id = f"{BLOCK_ID}{alert.id}"
    if standing.owner:
        said = f"{text} · :raised_hand: {mention(standing.owner)}"
        return line(block_id, said, button("release", words["release"]))
    return line(block_id, text, button("claim", words["claim"]))


def _sections(lines: list[str]) -> list[Block]:
    blocks = []
    while lines:
        text = joined(lines)
        blocks.append(section(text))
        lines = lines[text.count("\n") + 1 :]
    return blocks


def _latest(alerts: Sequence[Alert]) -> Alert:
    return max(alerts, key=lambda one: (one.at, one.id))


def _line(alerts: Sequence[Alert], visitor_url: VisitorUrl, today: int) -> str:
    latest = _latest(alerts)
    words = labels(latest.locale)
    name = link(visitor_url(latest.site, latest.visitor), mrkdwn(who(latest), 80))
    more = words["again"].format(count=len(alerts) - 1) if len(alerts) > 1 else ""
    zone, locale = latest.timezone, latest.locale
    same_day = day(latest.at, zone, locale) == day(today, zone, locale)
    when = clock(latest.at, zone) if same_day else moment(latest.at, zone, locale)
    return f"{_BULLET}{name} — {mrkdwn(latest.why, 90)}{more} · *{shown_score(latest.score)}* · {when}"


def _short(alerts: Sequence[Alert]) -> str:
    latest = _latest(alerts)
    return f"{_BULLET}{mrkdwn(who(latest), 60)} — *{shown_score(latest.score)}*"
