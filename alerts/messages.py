"""Alerts as a Slack message, in the site's language. Pure.

A salesperson reads the first lines in three seconds: who, what just happened, how hot, what to do. The rest
is there for the call itself. Everything a visitor supplied goes through `alerts.escape`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from alerts import details
from alerts.blocks import (
    HEADER_LIMIT,
    TOTAL_LIMIT,
    Block,
    actions,
    button,
    context,
    header,
    joined,
    length,
    link,
    plain_text,
    section,
    select,
)
from alerts.details import Words, who
from alerts.escape import mrkdwn, plain
from alerts.labels import labels
from alerts.links import VisitorUrl
from alerts.model import Alert
from alerts.standing import Standing
from alerts.times import clock, day, moment
from alerts.words import duration, is_japanese

NOBODY = Standing()
#: What the rows of buttons are called, before the alert's id. Slack gives it back with a click.
BLOCK_ID = "kizashi."
_LINE = 200


def slack_message(
    alert: Alert,
    *,
    visitor_url: VisitorUrl,
    duplicate: bool = False,
    before: Sequence[Alert] = (),
    standing: Standing = NOBODY,
    buttons: bool = False,
) -> dict[str, Any]:
    """The arguments of `chat.postMessage` but the channel: `text`, `blocks`, `unfurl_*`, `metadata`.

    `before` are the other alerts of the episode, oldest first: those of the same event count as news too.
    `visitor_url` gives the address of a visitor's page. `duplicate` marks one whose earlier copy may have
    arrived. `buttons`: a click on them finds its way to us.
    """
    words = labels(alert.locale)
    news = [*(one for one in before if one.event == alert.event), alert]
    past = [one for one in before if one.event != alert.event]
    first = news[0].id if not before else before[0].id
    blocks = [
        *_banners(alert, words, standing, duplicate=duplicate),
        header(plain(who(alert), HEADER_LIMIT)),
        section(_summary(news, standing, words)),
        *details.enquiry([*past, *news], words),
        *_status(alert, standing, words),
        *([_buttons(first, alert, standing, words, visitor_url)] if buttons else []),
        *details.person(alert, words),
    ]
    optional = [details.earlier(past, words), details.pages(alert, words), details.visits(alert, words)]
    end = [context(_footer(alert, news, words, None if buttons else visitor_url))]
    text = fallback(news[0], duplicate=duplicate)
    return envelope(text, [*blocks, *_fitting(blocks + end, optional), *end], {"id": alert.id})


def messages_of(
    alert: Alert, *, before: Sequence[Alert], standing: Standing, visitor_url: VisitorUrl
) -> dict[str, Any]:
    """For a list of alerts: the `message` an alert is in as it looks since then, its `reply` in the thread, and
    the `owner` (a Slack id or None).
    """
    message = slack_message(alert, visitor_url=visitor_url, before=before, standing=standing, buttons=True)
    return {
        "message": message,
        "reply": follow_up([alert], standing=standing),
        "owner": standing.owner or None,
    }


def follow_up(
    alerts: Sequence[Alert],
    *,
    standing: Standing = NOBODY,
    duplicate: bool = False,
    visitor_url: VisitorUrl | None = None,
) -> dict[str, Any]:
    """What is new about somebody people know of: a reply in the thread of their message, or (with
    `visitor_url`) a short message of its own. `alerts` are the new ones, oldest first.
    """
    alert, words = alerts[-1], labels(alerts[-1].locale)
    whys = dict.fromkeys((clock(one.at, one.timezone), mrkdwn(one.why, _LINE)) for one in alerts)
    lines = [f"{time} *{why}*" for time, why in whys]
    told = standing.owner or alert.owner
    lines.append(" · ".join(filter(None, [details.score_now(alert, words), mention(told) if told else ""])))
    if visitor_url is not None:
        lines.insert(0, link(visitor_url(alert.site, alert.visitor), mrkdwn(who(alert), _LINE)))
    banners = _banners(alert, words, standing, duplicate=duplicate)
    blocks = [*banners, section(joined(lines)), *details.enquiry(alerts, words)]
    return envelope(fallback(alert, duplicate=duplicate), blocks, {"id": alert.id})


def envelope(text: str, blocks: list[Block], payload: Mapping[str, Any]) -> dict[str, Any]:
    """A message with everything in it that keeps links from unfolding into previews."""
    return {
        "text": text,
        "blocks": blocks,
        "unfurl_links": False,
        "unfurl_media": False,
        "metadata": {"event_type": "kizashi_alert", "event_payload": dict(payload)},
    }


def fallback(alert: Alert, *, duplicate: bool = False) -> str:
    """The message in one line, for notifications and screen readers."""
    words = labels(alert.locale)
    mark = words["duplicate_short"] if duplicate else ""
    stop = "。" if is_japanese(alert.locale) else ". "
    said = f"{mrkdwn(who(alert), _LINE)} — {mrkdwn(alert.why, _LINE)}{stop}{details.score(alert, words)}"
    return f"{mark}{said}"


def mention(person: str) -> str:
    """A Slack id as a mention: a person's (`U…`, `W…`) or a user group's (`S…`)."""
    return f"<!subteam^{person}>" if person.startswith("S") else f"<@{person}>"


def _fitting(always: list[Block], optional: list[list[Block]]) -> list[Block]:
    """As many of the optional parts, in order, as there is room for."""
    kept: list[Block] = []
    for part in optional:
        if length([*always, *kept, *part]) <= TOTAL_LIMIT:
            kept += part
    return kept


def _banners(alert: Alert, words: Words, standing: Standing, *, duplicate: bool) -> list[Block]:
    said = [f":warning: {words['duplicate']}"] if duplicate else []
    if alert.test:
        said.append(f":test_tube: {words['test'].format(rule=mrkdwn(alert.rule, 80))}")
    if alert.reminder and alert.escalate is not None and not standing.owner:
        waited = duration(alert.escalate.after_ms, alert.locale)
        said.append(f":alarm_clock: *{words['reminder'].format(time=waited)}*")
    return [context(one) for one in said]


def _summary(news: Sequence[Alert], standing: Standing, words: Words) -> str:
    lines = details.summary(news, words).split("\n")
    if news[-1].owner and not standing.owner:
        lines.append(f":bell: {words['for'].format(who=mention(news[-1].owner))}")
    return joined(lines)


def _status(alert: Alert, standing: Standing, words: Words) -> list[Block]:
    said = []
    if standing.owner:
        at = moment(standing.owner_at, alert.timezone, alert.locale)
        said.append(f":raised_hand: *{words['owned'].format(who=mention(standing.owner), at=at)}*")
    if standing.snoozed_until:
        at = moment(standing.snoozed_until, alert.timezone, alert.locale)
        said.append(f":zzz: {words['snoozed'].format(who=mention(standing.snoozed_by), at=at)}")
    if standing.unfit is not None:
        at = day(standing.unfit.until, alert.timezone, alert.locale)
        said.append(f":no_entry_sign: {words['unfit'].format(who=mention(standing.unfit.by), at=at)}")
    return [context("\n".join(said))] if said else []


def _buttons(first: str, alert: Alert, standing: Standing, words: Words, visitor_url: VisitorUrl) -> Block:
    shown = []
    if standing.unfit is None:
        lengths = {length: words[length] for length in ("1h", "4h", "morning")}
        shown.append(_claim(standing, words))
        shown.append(select("snooze", words["snooze"], lengths))
        shown.append(button("unfit", words["not_a_fit"], confirm=_confirm("unfit", words)))
    shown.append(button("open", words["open_short"], url=visitor_url(alert.site, alert.visitor)))
    return actions(f"{BLOCK_ID}{first}", shown)


def _claim(standing: Standing, words: Words) -> Block:
    if standing.owner:
        return button("release", words["release"], confirm=_confirm("release", words))
    return button("claim", words["claim"], style="primary")


def _confirm(what: str, words: Words) -> Block:
    said = {"title": f"{what}_title", "text": f"{what}_text", "confirm": f"{what}_yes", "deny": "cancel"}
    return {part: plain_text(words[word]) for part, word in said.items()}


def _footer(alert: Alert, news: Sequence[Alert], words: Words, visitor_url: VisitorUrl | None) -> str:
    rules = " + ".join(dict.fromkeys(mrkdwn(one.rule, 80) for one in news))
    said = [mrkdwn(alert.site_name or alert.site, 80), rules]
    if visitor_url is not None:
        said.insert(0, link(visitor_url(alert.site, alert.visitor), words["open"]))
    return " · ".join(said)
