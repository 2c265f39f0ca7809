"""Segment's own browser client for the tests, fetched with npm: the published package, unpacked, nothing run.

`python -m tests.segment_client` fetches it ahead of the tests, so that no test's time goes into the download.
"""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGE, VERSION = "@segment/analytics-next", "1.84.3"
CACHE = ROOT / ".cache/segment"
FETCH_S = 120


class Unavailable(Exception):
    """There can be no client here; says why."""


def fetch() -> Path:
    """The client's UMD bundle, downloaded when first asked for. Raises Unavailable."""
    bundle = CACHE / VERSION / "package/dist/umd/index.js"
    if bundle.is_file():
        return bundle
    npm = shutil.which("npm")
    if npm is None:
        raise Unavailable("npm is not installed")
    under_way = CACHE / f"{VERSION}.{secrets.token_hex(4)}"
    under_way.mkdir(parents=True)
    try:
        _pack(npm, under_way)
        if not bundle.is_file():
            under_way.rename(CACHE / VERSION)
    finally:
        shutil.rmtree(under_way, ignore_errors=True)
    return bundle


def _pack(npm: str, into: Path) -> None:
    command = [npm, "pack", "--silent", "--ignore-scripts", f"{PACKAGE}@{VERSION}"]
    try:
        done = subprocess.run(command, cwd=into, capture_output=True, text=True, timeout=FETCH_S)
    except subprocess.TimeoutExpired:
        raise Unavailable(f"npm did not fetch {PACKAGE} within {FETCH_S} s") from None
    archives = list(into.glob("*.tgz"))
    if done.returncode or not archives:
        raise Unavailable(f"npm could not fetch {PACKAGE}: {done.stderr[-600:]}")
    with tarfile.open(archives[0]) as archive:
        archive.extractall(into, filter="data")


def main() -> int:
    """Fetch; what is missing fails only where everything must be there (CI)."""
    try:
        bundle = fetch()
    except Unavailable as reason:
        print(f"NO SEGMENT CLIENT FOR THE TESTS: {reason}. Its tests will be skipped.", file=sys.stderr)
        return int(os.environ.get("CI") == "true")
    print(f"Segment's browser client for the tests: {PACKAGE} {VERSION} in {bundle.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
