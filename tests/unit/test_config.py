"""The environment becomes settings, or one clear line."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from core.errors import SettingsError
from server.client_ip import networks
from server.config import ensure_secrets, from_env, variables

SECRET = "hunter2-hunter2 "


def test_defaults() -> None:
    settings = from_env({})
    assert settings.port == 8080
    assert settings.host == "127.0.0.1"
    assert settings.web_workers >= 1
    assert settings.data_dir == Path("data").absolute()
    assert settings.public_url == "http://localhost:8080"
    unset = {name for name in variables() if getattr(settings, name) is None}
    assert unset == {
        "redis_url",
        "broker_url",
        "secret_key",
        "slack_bot_token",
        "slack_webhook_url",
        "slack_signing_secret",
        "slack_api_url",
        "admin_token",
        "geoip_db",
        "company_db",
        "outgoing_allow",
        "webhook_url",
        "webhook_secret",
        "smtp_url",
    }


@pytest.mark.parametrize(
    ("name", "value", "field", "expected"),
    [
        ("PORT", "81", "port", 81),
        ("PORT", "81", "public_url", "http://localhost:81"),
        ("PORT", "", "port", 8080),
        ("KIZASHI_HOST", "::1", "host", "::1"),
        ("KIZASHI_WEB_WORKERS", "3", "web_workers", 3),
        ("KIZASHI_DATA_DIR", "/srv/kizashi", "data_dir", Path("/srv/kizashi")),
        ("KIZASHI_REDIS_URL", "redis://h:1/2", "store_url", "redis://h:1/2"),
        ("KIZASHI_REDIS_URL", "unix:///run/valkey.sock", "redis_url", "unix:///run/valkey.sock"),
        ("KIZASHI_REDIS_URL", "rediss://u:p@[::1]:6380/0", "redis_url", "rediss://u:p@[::1]:6380/0"),
        ("KIZASHI_REDIS_URL", "", "redis_url", None),
        ("KIZASHI_DATA_DIR", "/srv/k z", "store_url", "unix:///srv/k%20z/valkey.sock"),
        ("KIZASHI_BROKER_URL", "kafka://a:9092;b:9093", "broker_url", "kafka://a:9092;b:9093"),
        ("KIZASHI_SLACK_BOT_TOKEN", "xoxb-1-2", "slack_bot_token", "xoxb-1-2"),
        ("KIZASHI_PUBLIC_URL", "https://kz.example.com/", "public_url", "https://kz.example.com"),
        ("KIZASHI_IGNORE_AUTOMATION", "true", "ignore_automation", True),
        ("KIZASHI_TRUSTED_PROXIES", "10.0.0.0/8,::1", "trusted_proxies", networks("10.0.0.0/8,::1")),
        ("KIZASHI_OUTGOING_ALLOW", "10.0.0.0/8,h:8443", "outgoing_allow", "10.0.0.0/8,h:8443"),
    ],
)
def test_good_values(name: str, value: str, field: str, expected: object) -> None:
    assert getattr(from_env({name: value, "PATH": "/bin"}), field) == expected


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("PORT", "eighty", "is not a whole number"),
        ("PORT", "80.5", "is not a whole number"),
        ("PORT", "0", "is too small"),
        ("PORT", "65536", "is too big"),
        ("PORT", "9" * 5000, "is too big"),
        ("KIZASHI_HOST", "http://localhost", "is not a host name or an IP address"),
        ("KIZASHI_WEB_WORKERS", "0", "is too small"),
        ("KIZASHI_REDIS_URL", f"http://:{SECRET}@h", "does not start with redis://"),
        ("KIZASHI_REDIS_URL", f"redis://:{SECRET}@h:99999", "is not a URL"),
        ("KIZASHI_REDIS_URL", "redis://", "names no host"),
        ("KIZASHI_REDIS_URL", "unix://", "names no socket"),
        ("KIZASHI_BROKER_URL", "redis://h:1", "does not start with kafka://"),
        ("KIZASHI_BROKER_URL", "kafka://a:9092;b", "has a part that is not host:port"),
        ("KIZASHI_SECRET_KEY", "short", "is too short"),
        ("KIZASHI_ADMIN_TOKEN", SECRET, "holds a space"),
        ("KIZASHI_IGNORE_AUTOMATION", "yes", "neither true nor false"),
        ("KIZASHI_TRUSTED_PROXIES", "10.0.0.0/99", ""),
        ("KIZASHI_GEOIP_DB", "/nowhere/at.mmdb", ""),
        ("KIZASHI_WEBHOOK_URL", "https://127.0.0.1/hook", ""),
        ("KIZASHI_SMTP_URL", "http://mail.example", ""),
        ("KIZASHI_SLACK_BOT_TOKEN", "xapp-1-hunter2", "is not a bot token"),
        ("KIZASHI_SLACK_WEBHOOK_URL", "hooks/hunter2", "does not start with https://"),
        ("KIZASHI_SLACK_SIGNING_SECRET", "秘密 hunter2", "holds a space or a character outside"),
        ("KIZASHI_SLACK_API_URL", "ftp://h", "does not start with https://"),
        ("KIZASHI_PUBLIC_URL", "localhost:8080", "does not start with https://"),
        ("KIZASHI_PUBLIC_URL", "http://h/?a=b", "carries more than a host and a path"),
    ],
)
def test_a_bad_value_is_one_line_that_names_the_variable(name: str, value: str, problem: str) -> None:
    with pytest.raises(SettingsError) as caught:
        from_env({name: value})
    line = str(caught.value)
    allowed = next(env.allowed for env in variables().values() if env.name == name)
    assert line.startswith(f"{name}: ")
    assert problem in line
    assert line.endswith(f"; allowed: {allowed}")
    assert "\n" not in line
    assert "hunter2" not in line


def test_a_secret_is_in_no_repr() -> None:
    secrets = {
        "KIZASHI_REDIS_URL": "redis://:hunter2@h",
        "KIZASHI_BROKER_URL": "kafka://hunter2:1",
        "KIZASHI_SECRET_KEY": "hunter2hunter2",
        "KIZASHI_SLACK_BOT_TOKEN": "xoxb-hunter2",
        "KIZASHI_SLACK_WEBHOOK_URL": "https://h/hunter2",
        "KIZASHI_SLACK_SIGNING_SECRET": "hunter2",
        "KIZASHI_ADMIN_TOKEN": "hunter2hunter2",
        "KIZASHI_WEBHOOK_URL": "https://h.example/hunter2",
        "KIZASHI_WEBHOOK_SECRET": "whsec_hunter2Ahunter2Ahunter2Ahunter2A",
        "KIZASHI_SMTP_URL": "smtps://a:hunter2@h.example:465?from=a@h.example&to=b@h.example",
    }
    assert secrets.keys() == {env.name for env in variables().values() if env.secret}
    assert "hunter2" not in repr(from_env(secrets))


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("KIZASHI_REDIS_ULR", "did you mean KIZASHI_REDIS_URL?"),
        ("KIZASHI_PORT", "did you mean PORT?"),
        ("KIZASHI_SLACK_TOKEN", "did you mean KIZASHI_SLACK_BOT_TOKEN?"),
        ("KIZASHI_QQQ", "see docs/settings.md"),
    ],
)
def test_an_unknown_name_is_refused(name: str, hint: str) -> None:
    with pytest.raises(SettingsError, match=f"^{name}: there is no such setting") as caught:
        from_env({name: "x"})
    assert hint in str(caught.value)


def test_secrets_are_made_once_and_private(tmp_path: Path) -> None:
    settings = from_env({"KIZASHI_DATA_DIR": str(tmp_path / "new")})
    first, second = ensure_secrets(settings), ensure_secrets(settings)
    assert first == second
    assert first.secret_key
    assert first.admin_token
    assert first.secret_key != first.admin_token
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in settings.data_dir.iterdir()}
    assert modes == {"secret_key": 0o600, "admin_token": 0o600}


def test_given_secrets_are_kept_and_leave_no_file(tmp_path: Path) -> None:
    given = {"KIZASHI_SECRET_KEY": "given-key", "KIZASHI_ADMIN_TOKEN": "given-token"}
    settings = ensure_secrets(from_env({"KIZASHI_DATA_DIR": str(tmp_path), **given}))
    assert (settings.secret_key, settings.admin_token) == ("given-key", "given-token")
    assert list(tmp_path.iterdir()) == []


def test_an_emptied_secret_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "secret_key").touch()
    with pytest.raises(SettingsError, match="secret_key holds no secret"):
        ensure_secrets(from_env({"KIZASHI_DATA_DIR": str(tmp_path)}))


def test_processes_that_start_together_agree_on_the_secrets(tmp_path: Path) -> None:
    code = (
        "import sys; from server.config import ensure_secrets, from_env; sys.stdin.readline();"
        f"s = ensure_secrets(from_env({{'KIZASHI_DATA_DIR': {str(tmp_path)!r}}}));"
        "print(s.secret_key, s.admin_token)"
    )
    root = Path(__file__).parents[2]
    several = [
        subprocess.Popen(
            [sys.executable, "-c", code],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=root,
            env={**os.environ, "PYTHONPATH": str(root)},
        )
        for _ in range(4)
    ]
    for process in several:  # each has its imports behind it only after a while: the line lets all go at once
        assert process.stdin is not None
        process.stdin.write(b"go\n")
        process.stdin.flush()
    answers = {process.communicate(timeout=60)[0] for process in several}
    assert len(answers) == 1
    assert len(answers.pop().split()) == 2


def test_a_webhook_is_always_signed() -> None:
    with pytest.raises(SettingsError, match=r"^KIZASHI_WEBHOOK_SECRET: is missing"):
        from_env({"KIZASHI_WEBHOOK_URL": "https://hooks.example.com/"})
