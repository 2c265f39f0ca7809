"""What alert rules with a holdout are measured by: each visitor they fire for, told of or held out. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from alerts.model import Alert
from core.exposures import Measured
from personalization import told
from sites.site import Site


def measure(measured: Measured, alerts: Iterable[Alert], site: Site) -> Measured:
    """The state after `alerts` (what `alerts.rules.fire` returned).

    An enquiry is told whoever makes it, so it is in neither arm; nor is what a cooldown holds back: its rule has
    fired before.
    """
    if not alerts:
        return measured
    holdouts = {rule.id: rule.holdout for rule in site.alerts if rule.holdout > 0 and not rule.urgent}
    for alert in alerts:
        if alert.rule in holdouts and not alert.urgent and alert.withheld != "cooldown":
            measured = told.fired(
                measured,
                rule=alert.rule,
                holdout=holdouts[alert.rule],
                held_out=alert.withheld == "holdout",
                visitor=alert.visitor,
                revision=site.revision,
                at=alert.at,
                goals=site.goals,
            )
    return measured
