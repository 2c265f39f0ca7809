"""What the dispatcher asks of the place alerts go to, and the ways a send can end."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, Protocol, runtime_checkable

import msgspec

from alerts.model import Alert
from core.errors import KizashiError

Message = Mapping[str, Any]
#: Whether the message was posted although the send failed: certainly not; hardly, the server answered with an
#: error of its own; or nobody knows, because no answer came.
Posted = Literal["no", "hardly", "unknown"]


class Sent(msgspec.Struct, frozen=True, kw_only=True):
    """Where a message is now: the channel's id and the message's own (`ts`), "" where the sink has none."""

    channel: str = ""
    ts: str = ""


class RetryLater(KizashiError):
    """The message was not taken now; it may be later.

    `after_s` is when the server wants to be asked again (seconds; None: it did not say).
    """

    def __init__(self, after_s: float | None, reason: str, *, posted: Posted = "no") -> None:
        super().__init__(reason)
        self.after_s = after_s
        self.reason = reason
        self.posted = posted


class Refused(KizashiError):
    """The message will never be taken: the token, the channel or the message itself is wrong."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Gone(Refused):
    """The message that was to be changed is not there any more."""

    def __init__(self, reason: str = "the message is gone") -> None:
        super().__init__(reason)


class Sink(Protocol):
    """A place alerts go to."""

    @property
    def pace_s(self) -> float:
        """At least this many seconds between two messages to one channel."""
        ...

    def channel(self, alert: Alert) -> str:
        """The channel `alert` goes to: messages to one channel are sent in order, one at a time."""
        ...

    async def send(self, alert: Alert, message: Message, *, attempt: int) -> Sent:
        """Post `message` (for a digest, `alert` is one of its alerts). `attempt` counts from 1.

        Raises RetryLater, Refused.
        """
        ...

    async def probe(self) -> None:
        """Ask for a sign of life, posting nothing. Raises RetryLater when there is none."""
        ...

    async def close(self) -> None:
        """Close connections."""
        ...


@runtime_checkable
class UpdatingSink(Sink, Protocol):
    """A place that can tell what has become of a message sent before."""

    async def update(self, sent: Sent, alert: Alert, message: Message, *, attempt: int) -> Sent:
        """Tell `message` in place of (or after) the one at `sent`. `alert` is the newest in it.

        Raises Gone, RetryLater, Refused.
        """
        ...


@runtime_checkable
class LivingSink(UpdatingSink, Protocol):
    """A place whose messages change where they stand, have a thread, and buttons that work (unless it says
    `buttons = False`). To update one twice is the same as once.
    """

    async def reply(self, sent: Sent, alert: Alert, message: Message, *, attempt: int) -> Sent:
        """Post `message` in the thread of the one at `sent`. Raises RetryLater, Refused."""
        ...


def takes_digests(sink: Sink) -> bool:
    """Whether people read there, so that several alerts may share a message. A program wants each by itself."""
    return bool(getattr(sink, "digests", True))


def has_buttons(sink: Sink) -> bool:
    """Whether clicks in its messages find their way back to us."""
    return isinstance(sink, LivingSink) and bool(getattr(sink, "buttons", True))
