"""Where a buying episode stands with the salespeople: its messages, who has it, what they said of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

UNFIT_MS = 30 * 86_400_000
#: Alerts kept per message: those shown in it, and some more.
MAX_POSTED = 50
_POST = "post:"
_DIGEST = "digest:"


class Post(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An episode's message in one channel: the channel's own id and the message's (`ts`), as the sink named
    them, and the ids of the alerts in it, oldest first.
    """

    alerts: tuple[str, ...]
    channel: str = ""
    ts: str = ""


class Gathered(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A digest that has a line about the episode: the message's `channel` and `ts`, as the sink named them, the
    ids of all the `alerts` it names, how many `more` it counts, and its `cause`.
    """

    alerts: tuple[str, ...]
    cause: str
    channel: str = ""
    ts: str = ""
    more: int = 0


class Unfit(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody (a Slack id) said that the visitor is not a fit, `at` (epoch ms)."""

    by: str
    at: int

    @property
    def until(self) -> int:
        """When alerts about the visitor begin again."""
        return self.at + UNFIT_MS


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """An episode's hash. `owner` is who has claimed it, `snoozed_by` who wants to hear nothing until
    `snoozed_until`. `posts` are its messages, by the channel that rules name; `digests` those it has a line in, by
    the alert that the line is about. Times are epoch ms.
    """

    owner: str = ""
    owner_at: int = 0
    snoozed_by: str = ""
    snoozed_until: int = 0
    unfit: Unfit | None = None
    posts: dict[str, Post] = msgspec.field(default_factory=dict)
    digests: dict[str, Gathered] = msgspec.field(default_factory=dict)


_decode_post = msgspec.json.Decoder(Post).decode
_decode_gathered = msgspec.json.Decoder(Gathered).decode
decode_unfit = msgspec.json.Decoder(Unfit).decode
encode = msgspec.json.Encoder().encode


def parse_standing(fields: Mapping[Any, Any], unfit: bytes | str | None) -> Standing:
    """A standing from its hash and the visitor's `unfit` key, bytes or str."""
    kept = {_text(name): _text(value) for name, value in fields.items()}
    return Standing(
        owner=kept.get("owner", ""),
        owner_at=int(kept.get("owner_at") or 0),
        snoozed_by=kept.get("snoozed_by", ""),
        snoozed_until=int(kept.get("snoozed_until") or 0),
        unfit=decode_unfit(unfit) if unfit else None,
        posts={name: _decode_post(value) for name, value in _below(_POST, kept)},
        digests={name: _decode_gathered(value) for name, value in _below(_DIGEST, kept)},
    )


def _below(prefix: str, kept: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    return ((name.removeprefix(prefix), value) for name, value in kept.items() if name.startswith(prefix))


def post_field(channel: str) -> str:
    """The hash field of the message in a channel."""
    return f"{_POST}{channel}"


def digest_field(alert_id: str) -> str:
    """The hash field of the digest that has a line about an alert."""
    return f"{_DIGEST}{alert_id}"


def _text(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else value
