"""What a salesperson's click does to an episode. Each is safe to repeat; of several claims the first counts.

The message follows through the outbox, not through the click's `response_url`: it is drawn by the one process
that draws messages, after whatever it is drawing now, so an update under way cannot put an older state back;
and it is drawn even if that process is restarted at that moment.
"""

from __future__ import annotations

from typing import Any

from redis.asyncio import Redis

from alerts import scripts
from alerts.model import HOUR_MS, Alert
from alerts.outbox import Outbox
from alerts.quiet import tomorrow_morning
from alerts.standing import UNFIT_MS, Unfit, decode_unfit, encode
from storage import keys
from storage.keys import LATER, episode, unfit

SNOOZES = ("1h", "4h", "morning")


class Clicks:
    """Records clicks. `by` is a Slack user id, `at` when they clicked (epoch ms). Methods raise RedisError;
    each answers None where the alert is gone.
    """

    def __init__(self, redis: Redis) -> None:
        self._redis, self._outbox = redis, Outbox(redis)

    async def claim(self, alert_id: str, *, by: str, at: int) -> str | None:
        """Claim the alert's episode. Returns who has it; None too for a click from before a release."""
        alert = await self._alert(alert_id)
        owner: str | None = await self._run(scripts.CLAIM, alert, (), by, str(at)) if alert else None
        return owner

    async def release(self, alert_id: str, *, by: str, at: int) -> bool | None:
        """Give the alert's episode back, which `by` has ("": whoever has it). Returns whether this did it."""
        alert = await self._alert(alert_id)
        if alert is None:
            return None
        return bool(await self._run(scripts.RELEASE, alert, (LATER,), by, str(at)))

    async def snooze(self, alert_id: str, length: str, *, by: str, at: int) -> int | None:
        """Quiet the episode for `1h`, `4h` or until tomorrow `morning`. Returns until when (epoch ms)."""
        alert = await self._alert(alert_id)
        if alert is None or length not in SNOOZES:
            return None
        hours = {"1h": at + HOUR_MS, "4h": at + 4 * HOUR_MS}
        until = hours.get(length) or tomorrow_morning(at, alert.timezone)
        answer = await self._run(scripts.SNOOZE, alert, (LATER,), by, str(at), str(until))
        return int(answer) if answer else None

    async def not_a_fit(self, alert_id: str, *, by: str, at: int) -> str | None:
        """Quiet the visitor for 30 days. Returns who said so first."""
        alert = await self._alert(alert_id)
        if alert is None:
            return None
        said = encode(Unfit(by=by, at=at)).decode()
        quiet = (unfit(alert.site, alert.visitor),)
        answer = await self._run(scripts.UNFIT, alert, quiet, said, str(UNFIT_MS))
        return decode_unfit(answer).by if answer else None

    async def _alert(self, alert_id: str) -> Alert | None:
        stored = (await self._outbox.load([alert_id]))[0]
        return stored.alert if stored is not None else None

    async def _run(self, script: str, alert: Alert, more: tuple[str, ...], *arguments: str) -> Any:
        places = (episode(alert.episode or alert.id), keys.OUTBOX, *more)
        answer: Any = await self._redis.eval(script, len(places), *places, alert.id, *arguments)
        return answer.decode() if isinstance(answer, bytes) else answer
