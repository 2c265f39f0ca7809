"""The alert rules of a site file: what their fields mean together, and the rules as the engine runs them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from alerts.model import AlertRule, Escalation, Route
from alerts.quiet import Quiet
from core.conditions import check_condition, compile_condition, paths
from sites.mistakes import Path
from sites.model import AlertFile, EscalateFile, QuietFile
from sites.site import Make

Found = Iterator[tuple[Path, str]]
#: What makes a rule fire: it has exactly one of these.
CAUSES = ("on", "enters", "leaves", "becomes")


def compile_alert(file: AlertFile, *, instruction: str, make: Make = compile_condition) -> AlertRule:
    """The rule; `instruction` is the file's, in the site's language. `make` compiles its conditions."""
    others = next((one for one in file.route if one.when is None), None)
    channel, owner = file.channel or "", file.owner or ""
    return AlertRule(
        id=file.id,
        channel=(others.channel if others else None) or channel,
        owner=(others.owner if others else None) or owner,
        on=file.on,
        enters=file.enters,
        leaves=file.leaves,
        becomes=None if file.becomes is None else make(file.becomes),
        reads=frozenset(paths(file.becomes)) if file.becomes else frozenset(),
        when=None if file.when is None else make(file.when),
        cooldown_ms=file.cooldown,
        instruction=instruction,
        routes=tuple(
            Route(
                channel=one.channel or channel,
                owner=one.owner or owner,
                when=make(one.when),
            )
            for one in file.route
            if one.when is not None
        ),
        urgent=file.urgent,
        holdout=file.holdout,
        episode_ms=file.episode,
        quiet=tuple(map(_quiet, file.quiet)),
        escalate=_escalation(file.escalate),
    )


def _quiet(file: QuietFile) -> Quiet:
    return Quiet(start=file.from_, end=file.to, days=tuple(file.days), timezone=file.timezone or "")


def _escalation(file: EscalateFile | None) -> Escalation | None:
    if file is None:
        return None
    return Escalation(after_ms=file.after, channel=file.channel or "", mention=file.mention or "")


def alert_conditions(alert: dict[str, Any]) -> Iterator[tuple[Path, Any]]:
    """The conditions of a rule in plain data, each with its path."""
    yield ("when",), alert.get("when")
    yield ("becomes",), alert.get("becomes")
    for index, route in _routes(alert):
        yield ("route", index, "when"), route.get("when")


def check_alert(alert: dict[str, Any]) -> Found:
    """What is wrong with a rule in plain data, as a whole."""
    given = [key for key in CAUSES if alert.get(key) is not None]
    if len(given) != 1:
        yield (), "needs exactly one of `on`, `enters`, `leaves` and `becomes`"
    yield from _check_becomes(alert.get("becomes"))
    yield from _check_routes(alert)
    if alert.get("urgent") is True and alert.get("holdout"):
        yield ("holdout",), "an urgent rule withholds nothing: take `holdout` or `urgent` away"
    if alert.get("urgent") is True and alert.get("quiet"):
        yield ("quiet",), "an urgent rule knows no quiet hours: take `quiet` or `urgent` away"
    quiet = alert.get("quiet")
    for index, hours in enumerate(quiet if isinstance(quiet, list) else [quiet]):
        if isinstance(hours, dict) and hours.get("from") is not None and hours.get("from") == hours.get("to"):
            at = ("quiet", index) if isinstance(quiet, list) else ("quiet",)
            yield at, 'begins when it ends: for a whole day write from: "00:00", to: "24:00"'


def _check_becomes(condition: Any) -> Found:
    """What an event does not change never becomes true by one."""
    if not isinstance(condition, dict) or check_condition(condition):
        return
    for name in sorted(paths(condition) & {"now.hour", "now.weekday"}):
        yield ("becomes",), f"`{name}` is the same before an event and after it: ask for it in `when`"


def _check_routes(alert: dict[str, Any]) -> Found:
    routes = list(_routes(alert))
    open_at = [index for index, route in routes if route.get("when") is None]
    for index in open_at:
        if index != len(routes) - 1:
            yield ("route", index), "takes everybody, so nothing after it is reached: put it last"
    if alert.get("channel") is not None:
        return
    if not open_at:
        yield ("channel",), "is required (or a last route without `when`)"
    for index, route in routes:
        if route.get("channel") is None:
            yield ("route", index, "channel"), "is required: the rule has no channel of its own"


def _routes(alert: dict[str, Any]) -> Iterator[tuple[int, dict[str, Any]]]:
    routes = alert.get("route")
    for index, route in enumerate(routes if isinstance(routes, list) else []):
        if isinstance(route, dict):
            yield index, route
