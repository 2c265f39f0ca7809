"""Real Kizashi processes for tests: web and worker as users run them, on a given store, ended by pid."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import orjson
from redis.asyncio import Redis

from sites.registry import publish
from storage.connect import connect

ROOT = Path(__file__).parent.parent
ADMIN_TOKEN = "test-admin-token"
START_S = 40.0


class Stack:
    """One web and one worker process on `store_url`. Use as an async context manager."""

    def __init__(
        self,
        *,
        store_url: str,
        data_dir: Path,
        port: int,
        worker: tuple[str, ...] = ("cli.main", "worker"),
        **env: str,
    ) -> None:
        self._worker = worker
        self.base = f"http://127.0.0.1:{port}"
        self.store_url, self.data_dir = store_url, data_dir
        self.web: subprocess.Popen[bytes] | None = None
        self.worker: subprocess.Popen[bytes] | None = None
        self._env = {
            **os.environ,
            "PORT": str(port),
            "KIZASHI_REDIS_URL": store_url,
            "KIZASHI_DATA_DIR": str(data_dir),
            "KIZASHI_ADMIN_TOKEN": ADMIN_TOKEN,
            "KIZASHI_SECRET_KEY": "test-secret-key",
            **env,
        }

    async def __aenter__(self) -> Stack:
        self.data_dir.mkdir(parents=True, exist_ok=True)
        self.http = aiohttp.ClientSession()
        self.redis: Redis = connect(self.store_url)
        self.start_web()
        self.start_worker()
        try:
            await self.ready()
        except BaseException:
            await self.__aexit__()
            print(self.logs())
            raise
        return self

    def logs(self) -> str:
        """The ends of the processes' logs."""
        return "\n".join(path.read_text()[-4_000:] for path in sorted(self.data_dir.glob("*.log")))

    async def __aexit__(self, *_: object) -> None:
        await self.http.close()
        await self.redis.aclose()
        # How they end in order has tests of its own; waiting for it in every other one would take minutes. But a
        # dead worker is a member of its Kafka group for seconds more, and the next test would wait for that.
        end(self.web, signal.SIGKILL)
        end(self.worker, signal.SIGTERM if "KIZASHI_BROKER_URL" in self._env else signal.SIGKILL)

    def start_web(self) -> None:
        """Start the web process."""
        self.web = self._start("web", "cli.main", "web")

    def start_worker(self) -> None:
        """Start the worker."""
        self.worker = self._start("worker", *self._worker)

    def kill_worker(self) -> None:
        """kill -9 the worker."""
        end(self.worker, signal.SIGKILL)

    def kill_web(self) -> None:
        """kill -9 the web process."""
        end(self.web, signal.SIGKILL)

    def _start(self, name: str, *command: str) -> subprocess.Popen[bytes]:
        log = (self.data_dir / f"{name}.log").open("ab")
        with log:
            return subprocess.Popen(
                [sys.executable, "-m", *command], cwd=ROOT, env=self._env, stdout=log, stderr=log
            )

    async def run(self, *command: str, code: int = 0) -> str:
        """Run a `kizashi` command against this stack; what it printed. Fails where it ends otherwise."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "cli.main", *command),
            cwd=ROOT,
            env=self._env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        said = (await process.communicate())[0].decode()
        assert process.returncode == code, said
        return said

    async def publish(self, text: str) -> None:
        """Publish a site file and wait until the web process has it."""
        revision = await publish(self.redis, text, now=int(time.time() * 1000))

        async def live() -> bool:
            sites = await self.admin("/v1/admin/sites")
            return {"id": revision.site, "revision": revision.number}.items() <= next(
                (s for s in sites if s["id"] == revision.site), {}
            ).items()

        await until(live)

    async def ready(self) -> None:
        """Wait for /readyz."""

        async def green() -> bool:
            async with self.http.get(f"{self.base}/readyz") as answer:
                return answer.status == 200

        await until(green, START_S)

    async def admin(self, path: str) -> Any:
        """GET from the admin API; None where it answers 404. Asks again where it says so, as any client would.
        Fails for every other answer than 200.
        """
        headers = {"Authorization": f"Bearer {ADMIN_TOKEN}"}
        for _ in range(10):
            async with self.http.get(self.base + path, headers=headers) as answer:
                if answer.status == 404:
                    return None
                text = await answer.text()
                assert answer.status in (200, 503), f"{path}: {answer.status} {text}"
                if answer.status == 200:
                    return orjson.loads(text)
            await asyncio.sleep(float(answer.headers["Retry-After"]))
        raise AssertionError(f"{path} has answered 503 ten times")

    async def beacon(self, *events: dict[str, Any], v: str = "", **more: Any) -> dict[str, Any]:
        """Send events as the snippet does; the answer's body. Fails unless it is 200."""
        body = {"site": "demo", "v": v, "events": list(events), "slots": [], **more}
        async with self.http.post(f"{self.base}/v1/beacon", data=json.dumps(body)) as answer:
            text = await answer.text()
            assert answer.status == 200, text
            return dict(orjson.loads(text))

    async def visitor(self, v: str) -> dict[str, Any]:
        """The admin view of the visitor of a token; {} while there is none."""
        return dict(await self.admin(f"/v1/admin/sites/demo/visitors/{v.split('.')[0]}") or {})

    async def alerts(self) -> list[dict[str, Any]]:
        """The admin view of the alerts."""
        return list(await self.admin("/v1/admin/sites/demo/alerts"))


def end(process: subprocess.Popen[bytes] | None, number: signal.Signals) -> None:
    """End a process and wait for it."""
    if process is not None and process.poll() is None:
        process.send_signal(number)
        try:
            process.wait(25)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


async def until(condition: Callable[[], Awaitable[bool]], timeout: float = 20.0, every: float = 0.05) -> None:
    """Wait until `condition` holds; while the other side is down it does not."""
    give_up = time.monotonic() + timeout
    while True:
        try:
            if await condition():
                return
        except (aiohttp.ClientError, OSError):
            pass
        assert time.monotonic() < give_up, f"not true within {timeout} s: {condition.__qualname__}"
        await asyncio.sleep(every)
