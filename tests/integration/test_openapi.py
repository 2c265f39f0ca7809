"""The API description against a running server: every route is in it, and nothing it allows makes a 500."""

from __future__ import annotations

import asyncio
import contextlib
import re
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from server.app import make_app
from server.config import from_env
from server.openapi import document, routes
from storage.embedded import Server
from tests.browser import chromium
from tests.kafka import free_ports
from tests.processes import ADMIN_TOKEN, Stack
from tests.sites import DEMO

pytestmark = pytest.mark.asyncio(loop_scope="module")

#: Routes for people, not programs.
PAGES = re.compile(r"/(demo|static|visitors|leads|console)\b|/kizashi(-live)?-\d")
#: Of each kind (allowed, not allowed) to each operation; one, once the time is up.
EXAMPLES = 4
FUZZ_S = 12.0
CHECKS = [
    not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance,
]  # fmt: skip
ACCESS = {
    "admin": {"Authorization": f"Bearer {ADMIN_TOKEN}"},
    "key": {"Authorization": "Basic ZGVtby13cml0ZS1rZXk6"},
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    root = tmp_path_factory.mktemp("openapi")
    with Server(root / "valkey") as valkey:
        stack = Stack(store_url=valkey.url, data_dir=root / "data", port=free_ports(1)[0])
        async with stack as running:
            await running.publish(DEMO)
            yield running


async def test_every_route_is_described(tmp_path: Path) -> None:
    there = routes(make_app(from_env({"KIZASHI_DATA_DIR": str(tmp_path)})))
    described = {(method, path) for path, methods in document(there)["paths"].items() for method in methods}
    api = {
        (method, path)
        for method, path in there
        if method not in ("head", "options") and not PAGES.match(path)
    }
    assert described == api, "add what is missing to server/openapi_paths.py"


async def test_the_document_is_served_in_both_languages(stack: Stack) -> None:
    async with stack.http.get(f"{stack.base}/openapi.json") as answer:
        english: dict[str, Any] = await answer.json()
    async with stack.http.get(
        f"{stack.base}/openapi.json", headers={"Accept-Language": "ja,en;q=0.5"}
    ) as answer:
        japanese: dict[str, Any] = await answer.json()
    assert english["openapi"] == "3.1.0"
    assert english["servers"] == [{"url": stack.base.replace("127.0.0.1", "localhost")}]
    assert set(english["paths"]) == set(japanese["paths"])
    track = ("/v1/track", "post", "summary")
    texts = [found["paths"][track[0]][track[1]][track[2]] for found in (english, japanese)]
    assert texts == ["Something happened", "できごと"]


async def test_the_page_holds_nothing_from_elsewhere(stack: Stack) -> None:
    for lang in ("en", "ja"):
        async with stack.http.get(f"{stack.base}/docs", params={"lang": lang}) as answer:
            page = await answer.text()
            policy = answer.headers["Content-Security-Policy"]
        assert (answer.status, answer.headers["Content-Language"]) == (200, lang)
        assert policy.startswith("default-src 'none'")
        assert "unsafe" not in policy
        assert "<script" not in page
        assert " style=" not in page
        linked = re.findall(r'<(?:link|img)[^>]*(?:href|src)="([^"]*)"', page)
        assert linked
        assert all(one.startswith("/static/") for one in linked)
        for path in linked:
            async with stack.http.get(stack.base + path) as answer:
                assert answer.status == 200, path
        anchors = set(re.findall(r'href="#([^"]+)"', page))
        assert anchors <= set(re.findall(r'\bid="([^"]+)"', page))
        assert len(anchors) > 20


@pytest.mark.e2e
async def test_the_page_fits_a_phone_and_loads_without_a_complaint(stack: Stack) -> None:
    async with chromium(viewport={"width": 390, "height": 844}) as context:
        page = await context.new_page()
        said: list[str] = []
        page.on("console", lambda line: said.append(line.text))
        page.on("requestfailed", lambda request: said.append(request.url))
        for lang in ("en", "ja"):
            await page.goto(f"{stack.base}/docs?lang={lang}")
            for summary in await page.locator("summary").all():
                await summary.click()
            width = await page.evaluate("document.documentElement.scrollWidth")
            assert width == 390, lang
            links = await page.locator(".top a, .contents h2 a").all()
            heights = [(await link.bounding_box() or {})["height"] for link in links]
            assert len(heights) >= 6
            assert min(heights) >= 44
        assert said == []


async def test_nothing_that_is_sent_makes_a_500(stack: Stack) -> None:
    async with stack.http.get(f"{stack.base}/openapi.json") as answer:
        found = await answer.json()
    tried = await asyncio.to_thread(fuzz, stack.base, found)
    assert min(tried.values()) > 0, tried
    assert stack.web is not None
    assert stack.web.poll() is None


def fuzz(base: str, found: dict[str, Any]) -> dict[str, int]:
    """Send what the document allows and what it does not; how many requests each operation got.

    Short paths are the long ones' handlers, event streams do not end: both are left out.
    """
    schema = schemathesis.openapi.from_dict(found)
    operations = [one.ok() for one in schema.get_all_operations()]
    chosen = [one for one in operations if len(one.path) > len("/v1/x") and not streams(one.definition.raw)]
    give_up = time.monotonic() + FUZZ_S
    with requests.Session() as session:
        return {one.label: tries(one, base, session, give_up) for one in chosen}


def streams(definition: dict[str, Any]) -> bool:
    return "text/event-stream" in definition["responses"].get("200", {}).get("content", ())


def tries(operation: Any, base: str, session: requests.Session, give_up: float) -> int:
    """Some good and some bad requests to one operation."""
    access = [name for one in operation.definition.raw.get("security", []) for name in one]
    headers = ACCESS.get(access[0], {}) if access else {}
    sent = 0
    for mode in schemathesis.GenerationMode:

        @settings(
            max_examples=EXAMPLES if time.monotonic() < give_up else 1,
            phases=[Phase.generate],
            database=None,
            derandomize=True,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy(generation_mode=mode))
        def one_mode(case: Any) -> None:
            nonlocal sent
            answer = case.call(
                base_url=base, headers=headers, session=session, timeout=20, allow_redirects=False
            )
            case.validate_response(answer, checks=CHECKS)
            sent += 1

        with contextlib.suppress(Unsatisfiable):  # there is no wrong way to ask for /healthz
            one_mode()
    return sent
