"""Exposures and goals from real beacons to the report, on real processes."""

from __future__ import annotations

import json
from typing import Any

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


async def test_the_report_of_no_such_site(stack: Stack) -> None:
    assert await stack.admin("/v1/admin/sites/nowhere/report/experiences") is None
    headers = {"Authorization": f"Bearer {ADMIN_TOKEN}"}
    async with stack.http.get(f"{stack.base}{REPORT}?as=pie", headers=headers) as answer:
        assert answer.status == 400
        assert (await answer.json())["error"]["field"] == "as"
