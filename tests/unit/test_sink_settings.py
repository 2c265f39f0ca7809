"""What the worker is told of where alerts go: secrets, which no log or traceback may show."""

from __future__ import annotations

from dataclasses import fields

from alerts.sinks.choice import SinkSettings


def test_no_setting_is_shown() -> None:
    names = [field.name for field in fields(SinkSettings)]
    settings = SinkSettings(**{name: f"secret-{name}" for name in names})  # type: ignore[arg-type]
    assert settings.smtp_url == "secret-smtp_url"
    assert "secret" not in f"{settings} {settings!r}"
