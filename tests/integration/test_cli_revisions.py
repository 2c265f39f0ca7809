"""`kizashi revisions`, `diff` and `rollback`, and what `publish` says of its changes, against a real store."""

from __future__ import annotations

import getpass
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
TWO = SITE.replace("points: 1", "points: 2")
THREE = TWO.replace("name: Shop", "name: Store")


@pytest.fixture
def shell(tmp_path: Path, redis_url: str) -> Shell:
    return Shell(tmp_path, redis_url)


class Shell:
    """Runs commands on one store."""

    def __init__(self, folder: Path, url: str) -> None:
        self._file, self._env = folder / "shop.yaml", {"KIZASHI_REDIS_URL": url}

    def run(self, *args: str) -> Result:
        return CliRunner().invoke(main, list(args), env=self._env)

    def publish(self, text: str, *args: str) -> Result:
        self._file.write_text(text, encoding="utf-8")
        return self.run("publish", str(self._file), *args)


def test_publish_says_what_has_changed(shell: Shell) -> None:
    assert len(shell.publish(SITE).stdout.splitlines()) == 1
    second = shell.publish(TWO)
    assert second.stdout.splitlines()[1:] == ["  scoring rule page-view (version 1 → 2): points 1 → 2"]
    assert len(shell.publish(TWO).stdout.splitlines()) == 1


def test_the_revisions_tell_who_when_and_why(shell: Shell) -> None:
    shell.publish(SITE)
    shell.publish(TWO, "--by", "花子", "--note", "double\nthe \x1b[31mpoints")
    shell.run("rollback", "shop", "--note", "too much")
    lines = shell.run("revisions", "shop").stdout.splitlines()
    assert lines[0].split() == ["REVISION", "WHEN", "BY", "NOTE"]
    rows = [line.split() for line in lines[1:]]
    assert [row[0] for row in rows] == ["3", "2", "1"]
    assert all(row[1].startswith("20") and row[2].endswith("+00:00") for row in rows)
    assert [row[3] for row in rows] == [getpass.getuser(), "花子", getpass.getuser()]
    assert [" ".join(row[4:]) for row in rows] == [
        "text of revision 1 · too much",
        "double the [31mpoints",
        "",
    ]
    shorter = shell.run("revisions", "shop", "--limit", "1")
    assert len(shorter.stdout.splitlines()) == 2
    assert "2 older ones" in shorter.stderr


def test_a_rollback_is_a_new_revision(shell: Shell) -> None:
    for text in (SITE, TWO, THREE):
        shell.publish(text)
    back = shell.run("rollback", "shop", "1")
    assert back.stdout.splitlines() == [
        "published revision 4, the text of revision 1",
        "  name: Store → Shop",
        "  scoring rule page-view (version 2 → 3): points 2 → 1",
    ]
    assert shell.run("sites").stdout == "shop\t4\n"
    assert shell.run("rollback", "shop").stdout.startswith("published revision 5, the text of revision 3")


def test_the_difference_of_two_revisions(shell: Shell) -> None:
    for text in (SITE, TWO, THREE):
        shell.publish(text)
    whole = [
        "name: Shop → Store",
        "scoring rule page-view (version 1 → 2): points 1 → 2",
    ]
    assert shell.run("diff", "shop", "1").stdout.splitlines() == whole
    assert shell.run("diff", "shop", "2", "3").stdout.splitlines() == whole[:1]
    assert shell.run("diff", "shop", "3", "3").stdout == "nothing: the two have the same text\n"


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("rollback", "shop"), "one revision only"),
        (("rollback", "shop", "1"), "revision 1 is current and has that text already"),
        (("rollback", "shop", "7"), "no revision 7: its revisions are 1 to 1"),
        (("rollback", "nothing"), "there is no site 'nothing'"),
        (("diff", "shop", "2"), "no revision 2"),
        (("diff", "nothing", "1"), "there is no site 'nothing'"),
        (("revisions", "nothing"), "there is no site 'nothing'"),
    ],
)
def test_what_is_not_there_is_one_line(shell: Shell, args: tuple[str, ...], words: str) -> None:
    shell.publish(SITE)
    result = shell.run(*args)
    assert result.exit_code == 1
    assert result.stdout == ""
    assert words in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert shell.run("sites").stdout == "shop\t1\n"


def test_a_store_that_is_away_is_one_line(tmp_path: Path) -> None:
    env = {"KIZASHI_REDIS_URL": f"unix://{tmp_path}/nobody.sock"}
    for args in (["revisions", "shop"], ["rollback", "shop"], ["diff", "shop", "1"]):
        result = CliRunner().invoke(main, args, env=env)
        assert result.exit_code == 1
        assert "the store cannot be reached" in result.stderr
        assert len(result.stderr.splitlines()) == 1
