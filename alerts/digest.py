"""Alerts that come too late to be news, together in one Slack message. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from alerts.blocks import HEADER_LIMIT, SECTION_LIMIT, context, header, joined, link, section
from alerts.escape import mrkdwn, plain
from alerts.labels import labels
from alerts.links import VisitorUrl
from alerts.messages import envelope, local_time, who
from alerts.model import Alert
from alerts.points import shown_score
from alerts.words import duration

#: Alerts named in a digest; the others are counted.
SHOWN = 10


def digest_message(
    alerts: Sequence[Alert], *, total: int, visitor_url: VisitorUrl, stale_ms: int, duplicate: bool = False
) -> dict[str, Any]:
    """One message for `total` alerts of one channel, naming the highest scores among `alerts` (at least one).

    `stale_ms` is the age that made them late. The language is that of the first alert's site.
    """
    locale = alerts[0].locale
    words = labels(locale)
    top = sorted(alerts, key=lambda alert: (-alert.score, -alert.at, alert.id))[:SHOWN]
    why = words["digest_why"].format(age=duration(stale_ms, locale))
    listed = _listed([_line(alert, visitor_url) for alert in top])
    more = [words["digest_more"].format(count=total - len(listed))] if total > len(listed) else []
    title = words["digest"].format(count=total)
    blocks = [
        *([context(f":warning: {words['duplicate']}")] if duplicate else []),
        header(plain(title, HEADER_LIMIT)),
        section(joined([why, *listed, *more])),
    ]
    mark = words["duplicate_short"] if duplicate else ""
    text = f"{mark}{title}: {mrkdwn(who(top[0]), 120)}"
    return envelope(text, blocks, {"id": top[0].id, "count": total})


def _listed(lines: list[str]) -> list[str]:
    """The lines that leave room for the sentences around them."""
    return joined(lines, SECTION_LIMIT - 300).split("\n")


def _line(alert: Alert, visitor_url: VisitorUrl) -> str:
    name = link(visitor_url(alert.site, alert.visitor), mrkdwn(who(alert), 80))
    return f"• {name} — {mrkdwn(alert.why, 90)} · *{shown_score(alert.score)}* · {local_time(alert)}"
