"""The checked-in build of the snippet: its size, and that it is what its source gives."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import os
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

import snippet

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "snippet"
LIMIT = 3000  # bytes, gzip -9
GOAL = 2200


def test_size() -> None:
    packed = len(gzip.compress(snippet.source(), 9, mtime=0))
    raw = (FOLDER / "src/kizashi.js").stat().st_size
    print(f"kizashi.js: {raw} bytes raw, {len(snippet.source())} minified, {packed} gzip -9 (goal {GOAL})")
    assert packed <= LIMIT


def test_first_line_is_the_license_with_the_version() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert json.loads((FOLDER / "package.json").read_text())["version"] == version
    assert snippet.source().decode().splitlines()[0] == f"/*! Kizashi {version} | Apache-2.0 */"
    assert f'version="{version}"' in snippet.source().decode()


def test_integrity_is_the_hash_of_the_bytes_served() -> None:
    algorithm, _, value = snippet.integrity().partition("-")
    assert algorithm == "sha384"
    assert base64.b64decode(value) == hashlib.sha384(snippet.source()).digest()


def test_build_evaluates_no_text() -> None:
    assert not re.search(r"\beval\(|new Function", snippet.source().decode())


def test_lock_file_pins_and_names_no_host() -> None:
    lock = json.loads((FOLDER / "package-lock.json").read_text())
    packages = [package for path, package in lock["packages"].items() if path]
    assert packages
    assert all("integrity" in package and "resolved" not in package for package in packages)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_checked_in_build_is_what_the_source_gives(tmp_path: Path) -> None:
    if shutil.which("npm") is None:
        if os.environ.get("CI"):
            pytest.fail("CI needs Node to rebuild the snippet")
        pytest.skip("no Node here: the snippet cannot be rebuilt")
    copy = shutil.copytree(FOLDER, tmp_path / "snippet", ignore=shutil.ignore_patterns("__pycache__"))
    if not (copy / "node_modules").is_dir():
        subprocess.run(["npm", "ci", "--silent", "--no-audit", "--no-fund"], cwd=copy, check=True)
    (copy / "dist/kizashi.js").unlink()
    subprocess.run(["npm", "run", "--silent", "build"], cwd=copy, check=True)
    assert (copy / "dist/kizashi.js").read_bytes() == snippet.source()
