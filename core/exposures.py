"""What a visitor has been measured by: the experiences met, and the goals reached since.

Plain data that lives on the profile; `personalization.exposure` folds it. Times are epoch milliseconds.
"""

from __future__ import annotations

import msgspec


class Exposed(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """How a visitor first met one experience for one audience ("": everyone).

    `variant` is "" for the holdout. `allocation` names the variants' shares at the time, `revision` the site's.
    `converted` is the first time each goal was reached within its window. `drifted`: another variant was seen too.
    """

    experience: str
    audience: str = ""
    variant: str = ""
    allocation: str = ""
    revision: int = 0
    first_at: int
    converted: dict[str, int] = msgspec.field(default_factory=dict)
    drifted: bool = False


class Measured(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """All that is measured about one visitor: at most one `Exposed` per experience and audience, in that order.

    `reached` holds when each goal was reached of late: an exposure may arrive after the goal it came before.
    """

    exposed: tuple[Exposed, ...] = ()
    reached: dict[str, tuple[int, ...]] = msgspec.field(default_factory=dict)
