"""Idle rules that fire by themselves: when they come due, what is sent, what it does."""

from __future__ import annotations

from redis.asyncio import Redis

from core.profiles import Profile
from leads.scoring import next_silence
from storage import keys
from streams.publisher import MemoryPublisher
from streams.timers import PATIENCE_MS, Timers, timer_event
from tests.factories import DAY, HOUR, MINUTE, T0, event, page, rule, site
from tests.memory import Visitor

SITE = site(
    rule("silent", -30, idle_event="email_open", idle_ms=6 * HOUR),
    rule("long", -5, idle_event="email_open", idle_ms=3 * DAY),
    rule("page-view", 1, on="page"),
)


def profile_of(visitor: Visitor) -> Profile:
    assert visitor.profile is not None
    return visitor.profile


def test_the_timer_fires_once_and_the_next_one_waits() -> None:
    visitor = Visitor()
    visitor.take(event("email_open", at=T0), SITE)
    assert next_silence(profile_of(visitor), SITE.scoring) == T0 + 6 * HOUR
    visitor.take(timer_event("demo", "v1", T0 + 6 * HOUR, T0 + 6 * HOUR), SITE)
    assert profile_of(visitor).score == -30
    assert next_silence(profile_of(visitor), SITE.scoring) == T0 + 3 * DAY
    visitor.take(timer_event("demo", "v1", T0 + 3 * DAY, T0 + 3 * DAY), SITE)
    assert profile_of(visitor).score == -35
    assert next_silence(profile_of(visitor), SITE.scoring) is None
    visitor.take(event("email_open", at=T0 + 4 * DAY), SITE)
    assert next_silence(profile_of(visitor), SITE.scoring) == T0 + 4 * DAY + 6 * HOUR


def test_a_timer_is_no_activity() -> None:
    visitor = Visitor()
    visitor.take(page("/", at=T0), SITE)
    before = profile_of(visitor)
    visitor.take(timer_event("demo", "v1", T0 + 6 * HOUR, T0 + 6 * HOUR), SITE)
    after = profile_of(visitor)
    assert (after.last_at, after.session_count, after.page_count) == (T0, 1, 1)
    assert (after.events, after.days, after.session) == (before.events, before.days, before.session)
    visitor.take(page("/", at=T0 + 7 * HOUR), SITE)
    assert profile_of(visitor).session_count == 2


def test_with_or_without_the_timer_the_ledger_is_the_same() -> None:
    events = [event("email_open", at=T0), page("/", at=T0 + 10 * HOUR)]
    plain, timed = Visitor(), Visitor()
    for one in events:
        plain.take(one, SITE)
    for one in (events[0], timer_event("demo", "v1", T0 + 6 * HOUR, T0 + 6 * HOUR), events[1]):
        timed.take(one, SITE)
    assert timed.ledger == plain.ledger
    assert profile_of(timed).score == profile_of(plain).score == -29


def test_a_late_event_that_breaks_the_silence_takes_the_timers_points_back() -> None:
    visitor = Visitor()
    visitor.take(event("email_open", at=T0), SITE)
    visitor.take(timer_event("demo", "v1", T0 + 6 * HOUR, T0 + 6 * HOUR), SITE)
    assert profile_of(visitor).score == -30
    visitor.take(event("email_open", at=T0 + 5 * HOUR, received_at=T0 + 7 * HOUR), SITE)
    assert profile_of(visitor).score == 0
    assert visitor.ledger == []
    assert next_silence(profile_of(visitor), SITE.scoring) == T0 + 11 * HOUR


async def test_what_is_due_is_sent_once_and_again_when_nothing_came_of_it(redis: Redis) -> None:
    await redis.zadd(keys.TIMERS, {"demo:a": T0, "demo:b": T0 + MINUTE, "demo:c": T0 + HOUR})
    now, sent = [T0 + MINUTE], MemoryPublisher()
    timers = Timers(redis=redis, publisher=sent, clock=lambda: now[0])
    assert await timers.tick() == 2
    assert [(one.visitor, one.type, one.at, one.id) for one in sent.events] == [
        ("a", "timer", T0, f"timer:{T0}"),
        ("b", "timer", T0 + MINUTE, f"timer:{T0 + MINUTE}"),
    ]
    assert await timers.tick() == 0
    await redis.zrem(keys.TIMERS, "demo:a")  # the worker has folded it
    now[0] += PATIENCE_MS
    assert await timers.tick() == 1
    assert sent.events[-1].visitor == "b"
