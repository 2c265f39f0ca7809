"""Exposures and goals from real beacons to the report, on real processes."""

from __future__ import annotations

import json
from typing import Any
from uuid import uuid4

from core.bucketing import bucket
from tests.integration.test_people import hit, seen
from tests.processes import ADMIN_TOKEN, Stack, until
from tests.sites import DEMO

REPORT = "/v1/admin/sites/demo/report/experiences"


def halved() -> str:
    return DEMO.replace("    slot: hero\n", "    slot: hero\n    holdout: 0.5\n")


async def arms(stack: Stack) -> dict[str, tuple[int, int]]:
    """arm -> (exposed, converted) for first-timers and the goal `lead`."""
    found = await stack.admin(REPORT)
    one = next(m for m in found["measurements"] if m["audience"] == "first_time")
    assert one["drifted"] == 0
    goal = next(goal for goal in one["goals"] if goal["goal"] == "lead")
    return {arm["arm"]: (arm["exposed"], arm["converted"]) for arm in goal["arms"]}


async def test_who_met_what_and_who_became_a_lead_is_counted_once(stack: Stack) -> None:
    await stack.publish(halved())
    shown = {"": 0, "image": 0}
    leads = {"": 0, "image": 0}
    for number in range(60):
        if number > 9 and all(shown.values()):
            break
        answer = await stack.beacon(hit("page"), slots=["hero"])
        await stack.beacon(hit("page", "/again"), v=answer["v"], slots=["hero"])  # met already
        decision: dict[str, Any] | None = answer["decisions"]["hero"]
        arm = decision["variant"] if decision else ""
        shown[arm] += 1
        if number % 3 == 0:
            await seen(stack, answer["v"], page_count=2)
            await stack.beacon(hit("identify", email=f"p{number}@acme.co.jp"), v=answer["v"])
            leads[arm] += 1
    assert all(shown.values())

    async def counted() -> bool:
        return await arms(stack) == {arm: (shown[arm], leads[arm]) for arm in shown}

    await until(counted)
    stack.kill_worker()
    stack.start_worker()
    await stack.beacon(hit("page"), slots=[])
    assert await counted()
    said = await stack.run("report", "experiences", "demo", "--lang", "en")
    assert "audience first_time" in said
    assert "not enough data yet" in said
    assert json.loads(await stack.run("report", "experiences", "demo", "--json")) == await stack.admin(REPORT)


ALERTS = "/v1/admin/sites/demo/report/alerts"


async def told_and_held_out(stack: Stack) -> dict[str, tuple[int, int]]:
    """arm -> (visitors it fired for, those who became a lead) of the rule `whitepaper`."""
    (rule,) = (await stack.admin(ALERTS))["rules"]
    assert (rule["rule"], rule["drifted"]) == ("whitepaper", 0)
    goal = next(goal for goal in rule["goals"] if goal["goal"] == "lead")
    return {arm["arm"]: (arm["exposed"], arm["converted"]) for arm in goal["arms"]}


async def test_alerts_told_and_withheld_are_counted_once(stack: Stack) -> None:
    await stack.publish(DEMO.replace("cooldown: 30m", "cooldown: 30m, holdout: 0.5"))
    counts, leads = {"": 0, "told": 0}, {"": 0, "told": 0}
    for number in range(12):
        download = {"id": uuid4().hex, "type": "track", "name": "whitepaper_download"}
        token = (await stack.beacon(hit("page")))["v"]
        await stack.beacon(download, v=token)
        await stack.beacon(download, v=token)
        arm = "" if bucket("alert:whitepaper", token.partition(".")[0]) < 0.5 else "told"
        counts[arm] += 1
        if number % 3 == 0:
            await stack.beacon(hit("identify", email=f"q{number}@acme.co.jp"), v=token)
            leads[arm] += 1

    async def counted() -> bool:
        return await told_and_held_out(stack) == {arm: (counts[arm], leads[arm]) for arm in counts}

    await until(counted)
    alerts = await stack.admin("/v1/admin/sites/demo/alerts")
    held = [one for one in alerts if (one["state"], one["why"]) == ("suppressed", "holdout")]
    assert (len(held), len(alerts)) == (counts[""], 12)
    said = await stack.run("report", "alerts", "demo", "--lang", "en")
    assert "whitepaper — visitors it fired for" in said
    assert json.loads(await stack.run("report", "alerts", "demo", "--json")) == await stack.admin(ALERTS)


async def test_a_claimed_alert_is_released_by_an_operator(stack: Stack) -> None:
    await stack.publish(DEMO)
    await stack.beacon(hit("page"), {"id": uuid4().hex, "type": "track", "name": "whitepaper_download"})

    async def listed() -> bool:
        return bool(await stack.admin("/v1/admin/sites/demo/alerts"))

    await until(listed)
    (alert,) = await stack.admin("/v1/admin/sites/demo/alerts")
    click = {"click": "claim", "block": f"kizashi.{alert['id']}"}
    async with stack.http.post(f"{stack.base}/demo/slack/click", data=click, allow_redirects=False) as answer:
        assert answer.status == 303
    said = [await stack.run("alerts", "release", "demo", alert["id"]) for _ in range(2)]
    assert [one.strip() for one in said] == [
        f"released {alert['id']}",
        f"nobody has claimed {alert['id']}",
    ]


async def test_the_report_of_no_such_site(stack: Stack) -> None:
    assert await stack.admin("/v1/admin/sites/nowhere/report/experiences") is None
    headers = {"Authorization": f"Bearer {ADMIN_TOKEN}"}
    async with stack.http.get(f"{stack.base}{REPORT}?as=pie", headers=headers) as answer:
        assert answer.status == 400
        assert (await answer.json())["error"]["field"] == "as"
