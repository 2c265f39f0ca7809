"""A real Kafka broker for the tests: fetched with Maven, run with plain `java`, killed and restarted at will.

`python -m tests.kafka` fetches it ahead of the tests, so that no test's time goes into the download.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
import uuid
from base64 import urlsafe_b64encode
from pathlib import Path

from tests.ports import free_ports

ROOT = Path(__file__).resolve().parent.parent
POM = ROOT / "tests/pom/kafka.xml"
CACHE = ROOT / ".cache/kafka"
FETCH_S = 600
START_S = 90.0
#: Kafka 4's brokers need it.
JAVA = 17


class Unavailable(Exception):
    """There can be no broker here; says why."""


def version() -> str:
    """Kafka's version, from the pom."""
    found = re.search(r"kafka_2\.13</artifactId>\s*<version>([^<]+)<", POM.read_text())
    assert found is not None
    return found[1]


def fetch() -> Path:
    """The folder with the broker's jars, downloaded when first asked for. Raises Unavailable."""
    libs = CACHE / version()
    _need_java()
    if libs.is_dir():
        return libs
    if shutil.which("mvn") is None:
        raise Unavailable("Maven (mvn) is not installed, and it fetches Kafka")
    CACHE.mkdir(parents=True, exist_ok=True)
    under_way = CACHE / f"{version()}.{secrets.token_hex(4)}"
    command = ["mvn", "-q", "-B", "-f", str(POM), "dependency:copy-dependencies", "-DincludeScope=runtime"]
    try:
        done = subprocess.run(
            [*command, f"-DoutputDirectory={under_way}"], capture_output=True, text=True, timeout=FETCH_S
        )
        if done.returncode:
            raise Unavailable(f"Maven could not fetch Kafka: {(done.stdout + done.stderr)[-600:]}")
        if not libs.is_dir():
            under_way.rename(libs)
    except subprocess.TimeoutExpired:
        raise Unavailable(f"Maven did not fetch Kafka within {FETCH_S} s") from None
    finally:
        shutil.rmtree(under_way, ignore_errors=True)
    return libs


def _need_java() -> None:
    if shutil.which("java") is None:
        raise Unavailable("java is not installed")
    said = subprocess.run(["java", "-version"], capture_output=True, text=True, check=False).stderr
    found = re.search(r'version "(\d+)', said)
    if found is None or int(found[1]) < JAVA:
        raise Unavailable(f"java {JAVA} or newer is needed, there is: {said.splitlines()[:1]}")


class Broker:
    """One broker that is its own controller, on free ports, its data in `root`. A context manager."""

    def __init__(self, root: Path, *, libs: Path) -> None:
        root.mkdir(parents=True, exist_ok=True)
        self._root, self._libs = root, libs
        self._port, self._controller_port = free_ports(2)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        """host:port."""
        return f"127.0.0.1:{self._port}"

    @property
    def url(self) -> str:
        """For KIZASHI_BROKER_URL."""
        return f"kafka://{self.address}"

    def __enter__(self) -> Broker:
        properties = self._root / "server.properties"
        properties.write_text(self._properties())
        cluster = urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        arguments = ["format", "-t", cluster, "-c", str(properties)]
        done = subprocess.run(
            self._java("kafka.tools.StorageTool", *arguments), capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout + done.stderr
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def start(self) -> None:
        """Start on the data that is there, and wait until it serves."""
        log = (self._root / "server.log").open("ab")
        with log:
            self._process = subprocess.Popen(
                self._java("kafka.Kafka", str(self._root / "server.properties")), stdout=log, stderr=log
            )
        give_up = time.monotonic() + START_S
        while not self._serves():
            assert self._process.poll() is None, self.log()
            assert time.monotonic() < give_up, f"the broker did not start within {START_S} s\n{self.log()}"
            time.sleep(0.1)

    def kill(self) -> None:
        """kill -9."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()

    def restart(self) -> None:
        """Kill -9 what runs, and start again on the same data."""
        self.kill()
        self.start()

    def log(self) -> str:
        """The end of the broker's log."""
        return (self._root / "server.log").read_text(errors="replace")[-4_000:]

    def _serves(self) -> bool:
        # The port opens last, once the broker is unfenced.
        try:
            socket.create_connection(("127.0.0.1", self._port), timeout=1).close()
        except OSError:
            return False
        return True

    def _java(self, main: str, *arguments: str) -> list[str]:
        heap = ["-Xms128m", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]
        logs = ["-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", f"-Dkafka.logs.dir={self._root}"]
        return ["java", *heap, *logs, "-cp", f"{self._libs}/*", main, *arguments]

    def _properties(self) -> str:
        settings = {
            "process.roles": "broker,controller",
            "node.id": 1,
            "controller.quorum.voters": f"1@127.0.0.1:{self._controller_port}",
            "listeners": f"PLAINTEXT://{self.address},CONTROLLER://127.0.0.1:{self._controller_port}",
            "advertised.listeners": f"PLAINTEXT://{self.address}",
            "controller.listener.names": "CONTROLLER",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
            "log.dirs": self._root / "data",
            "num.partitions": 1,
            "default.replication.factor": 1,
            "offsets.topic.replication.factor": 1,
            "offsets.topic.num.partitions": 1,
            "transaction.state.log.replication.factor": 1,
            "transaction.state.log.min.isr": 1,
            "transaction.state.log.num.partitions": 1,
            "share.coordinator.state.topic.replication.factor": 1,
            "share.coordinator.state.topic.min.isr": 1,
            "group.initial.rebalance.delay.ms": 0,
            # What a killed process had asked last may be answered after the next test has deleted the topic:
            # it would be back, with one partition.
            "auto.create.topics.enable": "false",
            # A broker that was killed may register again only when its old session is over.
            "broker.session.timeout.ms": 2_000,
            "broker.heartbeat.interval.ms": 500,
            "log.segment.delete.delay.ms": 1_000,
        }
        return "".join(f"{name}={value}\n" for name, value in settings.items())


def main() -> int:
    """Fetch; what is missing fails only where everything must be there (CI)."""
    try:
        libs = fetch()
    except Unavailable as reason:
        print(f"NO KAFKA FOR THE TESTS: {reason}. The tests on Kafka will be skipped.", file=sys.stderr)
        return int(os.environ.get("CI") == "true")
    print(f"Kafka for the tests: {version()} in {libs.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
