"""The tag's size beside its peers': what a visitor's browser has to fetch, minified, gzip -9.

A peer's file is measured where its published npm package can be fetched, and quoted where it cannot; each row says
which.
"""

from __future__ import annotations

import gzip
import shutil
import subprocess
import tarfile
from dataclasses import dataclass
from pathlib import Path

import snippet
from benchmarks.results import Row, compared, single

FAMILY = "The tag's size"
UNIT = "bytes, gzip -9"
CACHE = Path(__file__).resolve().parent.parent / ".cache/peers"
FETCH_S = 120


@dataclass(frozen=True, kw_only=True, slots=True)
class Peer:
    """Another tag. `does` is what it is for; `quoted` its bytes where it cannot be measured.

    `package` and `version` name the npm package, "" where there is none, and `file` the script in it.
    """

    name: str
    does: str
    quoted: int
    package: str = ""
    version: str = ""
    file: str = ""


PEERS = (
    Peer(name="Umami", does="tracks only", quoted=2_229),
    Peer(name="GoatCounter", does="tracks only", quoted=2_256),
    Peer(
        name="GrowthBook",
        does="swaps only",
        quoted=18_048,
        package="@growthbook/growthbook",
        version="1.8.0",
        file="dist/bundles/auto.min.js",
    ),
    Peer(
        name="Segment",
        does="tracks only",
        quoted=43_883,
        package="@segment/analytics-next",
        version="1.84.3",
        file="dist/umd/standalone.js",
    ),
    Peer(
        name="PostHog",
        does="tracks and more",
        quoted=121_924,
        package="posthog-js",
        version="1.449.2",
        file="dist/array.js",
    ),
)


def rows(cache: Path = CACHE) -> list[Row]:
    """Every row of this family. Packages are fetched into `cache`, once."""
    ours = packed(snippet.source())
    name = "kizashi.js: tracks and swaps"
    found = [single(FAMILY, f"{name}, not compressed", len(snippet.source()), "bytes")]
    for peer in PEERS:
        size, how = size_of(peer, cache)
        found.append(compared(FAMILY, name, [ours], UNIT, f"{peer.name}, {peer.does} ({how})", [size]))
    live = packed(snippet.live_source())
    return [*found, single(FAMILY, "kizashi-live.js: only where decisions are live", live, UNIT)]


def size_of(peer: Peer, cache: Path) -> tuple[int, str]:
    """The peer's bytes, and whether they were measured (of which file) or are quoted."""
    if not peer.package:
        return peer.quoted, "quoted: not on npm"
    file = fetched(peer, cache) / peer.file
    if not file.is_file():
        return peer.quoted, "quoted: could not be fetched"
    return packed(file.read_bytes()), f"measured: {file.name} {peer.version}"


def fetched(peer: Peer, cache: Path) -> Path:
    """The folder of the peer's package as published, fetched with npm where it is not there yet; nothing of it
    is run. Where that does not work the folder is not there.
    """
    folder = cache / f"{peer.name.lower()}-{peer.version}"
    npm = shutil.which("npm")
    if npm is None or folder.is_dir():
        return folder / "package"
    under_way = folder.with_suffix(".new")
    shutil.rmtree(under_way, ignore_errors=True)
    under_way.mkdir(parents=True)
    try:
        subprocess.run(
            [npm, "pack", "--silent", "--ignore-scripts", f"{peer.package}@{peer.version}"],
            cwd=under_way,
            capture_output=True,
            check=True,
            timeout=FETCH_S,
        )
        for archive in under_way.glob("*.tgz"):
            with tarfile.open(archive) as packed_:
                packed_.extractall(under_way, filter="data")
        under_way.rename(folder)
    except (subprocess.SubprocessError, OSError, tarfile.TarError):
        shutil.rmtree(under_way, ignore_errors=True)
    return folder / "package"


def packed(code: bytes) -> int:
    """Bytes after gzip -9."""
    return len(gzip.compress(code, 9, mtime=0))
