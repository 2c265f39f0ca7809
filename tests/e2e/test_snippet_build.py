"""The checked-in build of the snippet (convention 13): its size, and that it is what its source gives."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import re
import shutil
import tomllib
from pathlib import Path

import pytest

import snippet
from tests.e2e import node_tools

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "snippet"
LIMIT = 3000  # bytes, gzip -9
GOAL = 2200

BUILT = {"kizashi.js": snippet.source, "kizashi-live.js": snippet.live_source}


def test_row_13_size() -> None:
    packed = len(gzip.compress(snippet.source(), 9, mtime=0))
    raw = (FOLDER / "src/kizashi.js").stat().st_size
    print(f"kizashi.js: {raw} bytes raw, {len(snippet.source())} minified, {packed} gzip -9 (goal {GOAL})")
    assert packed <= LIMIT


@pytest.mark.parametrize("name", BUILT)
def test_first_line_names_the_version(name: str) -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert json.loads((FOLDER / "package.json").read_text())["version"] == version
    assert snippet.version() == version
    assert BUILT[name]().decode().splitlines()[0] == f"/*! Kizashi {version} */"
    if name == "kizashi.js":
        assert f'version="{version}"' in snippet.source().decode()


@pytest.mark.parametrize("name", BUILT)
def test_row_12_integrity_is_the_hash_of_the_bytes_served_and_of_the_docs(name: str) -> None:
    body = BUILT[name]()
    algorithm, _, value = snippet.integrity(body).partition("-")
    assert algorithm == "sha384"
    assert base64.b64decode(value) == hashlib.sha384(body).digest()
    versioned = name.replace(".js", f"-{snippet.version()}.js")
    written = re.findall(
        rf'src="[^"]*/{re.escape(versioned)}[^>]*?integrity="([^"]+)"',
        (ROOT / "docs/snippet.md").read_text("utf-8"),
    )
    assert written == [snippet.integrity(body)], (
        f"docs/snippet.md must say {snippet.integrity(body)} for {versioned}"
    )


@pytest.mark.parametrize("name", BUILT)
def test_row_12_build_evaluates_no_text(name: str) -> None:
    assert not re.search(r"\beval\(|new Function|document\.write", BUILT[name]().decode())


def test_lock_file_pins_and_names_no_host() -> None:
    lock = json.loads((FOLDER / "package-lock.json").read_text())
    packages = [package for path, package in lock["packages"].items() if path]
    assert packages
    assert all("integrity" in package and "resolved" not in package for package in packages)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_checked_in_build_is_what_the_source_gives(tmp_path: Path) -> None:
    modules = node_tools.installed()
    copy = shutil.copytree(
        FOLDER, tmp_path / "snippet", ignore=shutil.ignore_patterns("__pycache__", "node_modules")
    )
    (copy / "node_modules").symlink_to(modules)
    for name in BUILT:
        (copy / "dist" / name).unlink()
    done = node_tools.run("npm", "run", "--silent", "build", cwd=copy)
    assert done.returncode == 0, done.stderr
    for name, read in BUILT.items():
        assert (copy / "dist" / name).read_bytes() == read()
