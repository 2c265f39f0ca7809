"""`kizashi alerts`: a sample goes the way a rule's alerts go."""

from __future__ import annotations

import asyncio
import time

from click.testing import CliRunner, Result
from redis.asyncio import Redis

from alerts.outbox import Outbox
from cli.alerts import alerts
from cli.output import Commands
from sites.registry import publish
from tests.integration.alert_helpers import dispatching, shown, slack_sink
from tests.sites import DEMO
from tests.slack_server import Answer, SlackServer

MAIN = Commands(commands={"alerts": alerts})


async def kizashi(redis_url: str, *args: str) -> Result:
    env = {"KIZASHI_REDIS_URL": redis_url}
    return await asyncio.to_thread(CliRunner().invoke, MAIN, ["alerts", *args], env=env)


async def published(redis: Redis, text: str = DEMO) -> None:
    await publish(redis, text, now=int(time.time() * 1000))


async def test_a_sample_is_sent_and_says_that_it_is_one(redis: Redis, redis_url: str) -> None:
    await published(redis, DEMO.replace("locale: en", "locale: ja"))
    async with SlackServer() as slack, dispatching(redis, slack_sink(slack)):
        result = await kizashi(redis_url, "test", "whitepaper")
        other = await kizashi(redis_url, "test", "whitepaper", "--site", "demo", "--channel", "#other")
    assert (result.exit_code, other.exit_code) == (0, 0), result.stderr
    assert result.stdout.startswith("sent to #hot-leads as alert ")
    first, second = slack.posted()
    assert (first.channel, second.channel) == ("#hot-leads", "#other")
    assert "ルール whitepaper のテストです" in shown(first.payload)
    assert "見本 太郎 様" in first.payload["text"]
    assert [one["state"] for one in await Outbox(redis).recent("demo")] == ["sent", "sent"]


async def test_what_slack_refuses_is_said(redis: Redis, redis_url: str) -> None:
    await published(redis)
    async with SlackServer() as slack, dispatching(redis, slack_sink(slack)):
        slack.script("#hot-leads", Answer(kind="error", code="channel_not_found"))
        result = await kizashi(redis_url, "test", "whitepaper")
    assert (result.exit_code, "sent to" in result.stdout) == (1, False)
    assert result.stderr == "kizashi: not sent to #hot-leads: channel_not_found\n"


async def test_a_rule_that_is_not_there_is_said(redis: Redis, redis_url: str) -> None:
    assert "no site is published" in (await kizashi(redis_url, "test", "x")).stderr
    await published(redis)
    result = await kizashi(redis_url, "test", "whitpaper")
    assert result.stderr == "kizashi: there is no alert rule 'whitpaper'; there are: whitepaper\n"
    assert "no site 'shop'" in (await kizashi(redis_url, "test", "whitepaper", "--site", "shop")).stderr
    await published(redis, DEMO.replace("site: demo", "site: shop").replace("demo-write-key", "shop-key"))
    several = await kizashi(redis_url, "test", "whitepaper")
    assert several.exit_code == 2
    assert "--site (demo, shop)" in several.stderr


async def test_a_site_alone_asks_for_its_list(redis_url: str) -> None:
    result = await kizashi(redis_url, "demo")
    assert "web does not answer" in result.stderr or "no site 'demo'" in result.stderr
