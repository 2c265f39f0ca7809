"""The `kizashi` command against a real store."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from cli.main import main

SITE = """\
site: shop
name: Shop
write_key: shop-write-key
origins: [https://shop.example.com]
scoring:
  rules:
    - {id: page-view, on: page, points: 1}
"""


@pytest.fixture
def site_file(tmp_path: Path) -> Path:
    path = tmp_path / "shop.yaml"
    path.write_text(SITE, encoding="utf-8")
    return path


def kizashi(*args: str | Path, **environ: str) -> Result:
    return CliRunner().invoke(main, [str(arg) for arg in args], env=environ)


def test_check_says_what_a_good_file_defines(site_file: Path) -> None:
    result = kizashi("check", site_file)
    assert result.exit_code == 0
    assert result.stdout == (
        f"{site_file}: OK, site shop: 1 scoring rules, 0 audiences, 0 experiences, 0 alert rules\n"
    )


@pytest.mark.parametrize("command", ["check", "publish"])
def test_every_mistake_is_shown_with_its_line_and_field(site_file: Path, command: str) -> None:
    site_file.write_text(SITE.replace("points: 1", "points: many") + "timezone: Mars\n", encoding="utf-8")
    result = kizashi(command, site_file)
    assert result.exit_code == 1
    assert result.stdout == ""
    shown = [line.split(": ")[:2] for line in result.stderr.splitlines()]
    assert shown == [[f"{site_file}:7", "scoring.rules[0].points"], [f"{site_file}:8", "timezone"]]


def test_what_is_published_is_listed(site_file: Path, redis_url: str) -> None:
    first = kizashi("publish", site_file, KIZASHI_REDIS_URL=redis_url)
    assert first.stdout.startswith("published revision 1, site shop: ")
    assert kizashi("publish", site_file, KIZASHI_REDIS_URL=redis_url).stdout == first.stdout
    site_file.write_text(SITE.replace("name: Shop", "name: Store"), encoding="utf-8")
    assert "revision 2," in kizashi("publish", site_file, KIZASHI_REDIS_URL=redis_url).stdout
    assert kizashi("sites", KIZASHI_REDIS_URL=redis_url).stdout == "shop\t2\n"


@pytest.mark.parametrize(
    ("args", "environ", "said"),
    [
        (["check", "/nowhere.yaml"], {}, "cannot read /nowhere.yaml: No such file or directory"),
        (["sites"], {"KIZASHI_REDIS_URL": "unix:///nowhere.sock"}, "the store cannot be reached: "),
        (["sites"], {"KIZASHI_REDIS_ULR": "x"}, "KIZASHI_REDIS_ULR: there is no such setting"),
        (["explain", "shop", "v"], {"PORT": "1"}, "web does not answer at http://127.0.0.1:1: "),
    ],
)
def test_an_error_is_one_line(tmp_path: Path, args: list[str], environ: dict[str, str], said: str) -> None:
    result = kizashi(*args, KIZASHI_DATA_DIR=str(tmp_path / "data"), **environ)
    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.stderr.startswith(f"kizashi: {said}")
    assert result.stderr.count("\n") == 1
