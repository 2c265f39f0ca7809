"""The experiences an answer has shown, or withheld, as events: they are measured where profiles are written."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b

from core.events import Event
from core.exposures import Measured
from core.profiles import Profile
from personalization import decide
from personalization.exposure import Exposure, is_news
from sites.site import Site


def exposure_events(
    met: Sequence[decide.Exposure],
    *,
    profile: Profile | None,
    events: Sequence[Event],
    visitor: str,
    now: int,
    site: Site,
) -> list[Event]:
    """An event for each experience met for the first time. `events` came with the call: what is met was met then.

    Its id is the same within one session, so an answer that is asked for twice counts once.
    """
    measured = profile.measured if profile else Measured()
    news = [
        one
        for one in met
        if is_news(measured, experience=one.experience, audience=one.audience, variant=one.variant or "")
    ]
    if not news:
        return []  # as nearly always
    at = max((event.at for event in events), default=now)
    session = profile.session.started_at if profile and profile.session else 0
    found = [
        Exposure(
            experience=one.experience,
            audience=one.audience,
            variant=one.variant or "",
            allocation=site.allocations.get((one.experience, one.audience), ""),
            revision=site.revision,
            visitor=visitor,
            at=at,
        )
        for one in news
    ]
    return [_event(one, site.id, session, now) for one in found]


def _event(met: Exposure, site: str, session: int, now: int) -> Event:
    said = {
        "experience": met.experience,
        "audience": met.audience,
        "variant": met.variant,
        "allocation": met.allocation,
        "revision": met.revision,
    }
    name = "\x00".join(map(str, (*said.values(), session)))
    return Event(
        id=f"x:{blake2b(name.encode(), digest_size=12).hexdigest()}",
        site=site,
        visitor=met.visitor,
        type="exposure",
        name="exposure",
        at=met.at,
        received_at=now,
        props=said,
    )
