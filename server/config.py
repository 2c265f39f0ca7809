"""Settings: what the environment says, checked once at start-up. Documented in docs/settings.md."""

from __future__ import annotations

import difflib
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from core.errors import SettingsError
from server.values import (
    AllowList,
    BotToken,
    BrokerUrl,
    Directory,
    Host,
    HttpUrl,
    LongToken,
    MailUrl,
    MaxMindFile,
    Networks,
    PublicUrl,
    ReceiverUrl,
    StoreUrl,
    Switch,
    Token,
    WebhookSecret,
)
from storage import embedded
from storage.secret_files import read_or_create

#: Not settings: `kizashi up` sets one for its child processes, the tests read the other.
INTERNAL = frozenset({"KIZASHI_SUPERVISED", "KIZASHI_CHROMIUM"})

PROBLEMS = {
    "int_parsing": "is not a whole number",
    "int_parsing_size": "is too big",
    "greater_than_equal": "is too small",
    "less_than_equal": "is too big",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Env:
    """One setting as seen from outside: its variable, its default and what it allows, in words."""

    name: str
    default: str = "unset"
    allowed: str
    secret: bool = False


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _localhost(checked: dict[str, Any]) -> str:
    return f"http://localhost:{checked['port']}"


class Settings(BaseModel):
    """Every setting, checked. `data_dir` is absolute; what `None` means is in docs/settings.md.

    `secret_key` and `admin_token` are None until `ensure_secrets` has read or made them.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    port: Annotated[int, Env(name="PORT", default="8080", allowed="a whole number from 1 to 65535")] = Field(
        8080, ge=1, le=65535
    )
    host: Annotated[
        Host, Env(name="KIZASHI_HOST", default="127.0.0.1", allowed="a host name or an IP address")
    ] = "127.0.0.1"
    web_workers: Annotated[
        int,
        Env(name="KIZASHI_WEB_WORKERS", default="number of cores", allowed="a whole number from 1 to 256"),
    ] = Field(default_factory=_cores, ge=1, le=256)
    live_streams: Annotated[
        int,
        Env(name="KIZASHI_LIVE_STREAMS", default="2000", allowed="a whole number from 0 to 100000"),
    ] = Field(2_000, ge=0, le=100_000)
    data_dir: Annotated[
        Directory, Env(name="KIZASHI_DATA_DIR", default="./data", allowed="a directory that can be written")
    ] = Field(Path("data"), validate_default=True)
    redis_url: Annotated[
        StoreUrl | None,
        Env(
            name="KIZASHI_REDIS_URL",
            allowed="redis://host:port/db, rediss://host:port/db or unix:///path/to/socket",
            secret=True,
        ),
    ] = Field(None, repr=False)
    broker_url: Annotated[
        BrokerUrl | None,
        Env(name="KIZASHI_BROKER_URL", allowed="kafka://host:port[;host2:port…]", secret=True),
    ] = Field(None, repr=False)
    secret_key: Annotated[
        LongToken | None,
        Env(
            name="KIZASHI_SECRET_KEY",
            default="generated",
            allowed="8 or more printable ASCII characters, no spaces",
            secret=True,
        ),
    ] = Field(None, repr=False)
    slack_bot_token: Annotated[
        BotToken | None,
        Env(name="KIZASHI_SLACK_BOT_TOKEN", allowed="a Slack bot token (xoxb-…)", secret=True),
    ] = Field(None, repr=False)
    slack_webhook_url: Annotated[
        HttpUrl | None,
        Env(name="KIZASHI_SLACK_WEBHOOK_URL", allowed="the URL of a Slack incoming webhook", secret=True),
    ] = Field(None, repr=False)
    slack_signing_secret: Annotated[
        Token | None,
        Env(name="KIZASHI_SLACK_SIGNING_SECRET", allowed="the Slack app's signing secret", secret=True),
    ] = Field(None, repr=False)
    slack_api_url: Annotated[
        HttpUrl | None,
        Env(name="KIZASHI_SLACK_API_URL", allowed="an http:// or https:// URL"),
    ] = None
    public_url: Annotated[
        PublicUrl,
        Env(
            name="KIZASHI_PUBLIC_URL",
            default="http://localhost:$PORT",
            allowed="an http:// or https:// URL without query",
        ),
    ] = Field(default_factory=_localhost)
    admin_token: Annotated[
        LongToken | None,
        Env(
            name="KIZASHI_ADMIN_TOKEN",
            default="generated",
            allowed="8 or more printable ASCII characters, no spaces",
            secret=True,
        ),
    ] = Field(None, repr=False)
    ignore_automation: Annotated[
        Switch, Env(name="KIZASHI_IGNORE_AUTOMATION", default="false", allowed="true or false")
    ] = False
    trusted_proxies: Annotated[
        Networks,
        Env(
            name="KIZASHI_TRUSTED_PROXIES",
            allowed="networks and IP addresses, with commas: 10.0.0.0/8,192.0.2.1",
        ),
    ] = ()
    geoip_db: Annotated[
        MaxMindFile | None, Env(name="KIZASHI_GEOIP_DB", allowed="a MaxMind-format file (.mmdb)")
    ] = None
    company_db: Annotated[
        MaxMindFile | None, Env(name="KIZASHI_COMPANY_DB", allowed="a MaxMind-format file (.mmdb)")
    ] = None
    outgoing_allow: Annotated[
        AllowList | None,
        Env(
            name="KIZASHI_OUTGOING_ALLOW",
            allowed="networks, addresses and host names with commas between, each with :port or without",
        ),
    ] = None
    webhook_url: Annotated[
        ReceiverUrl | None,
        Env(
            name="KIZASHI_WEBHOOK_URL",
            allowed="an https:// URL outside internal networks, or one that KIZASHI_OUTGOING_ALLOW allows",
            secret=True,
        ),
    ] = Field(None, repr=False)
    webhook_secret: Annotated[
        WebhookSecret | None,
        Env(name="KIZASHI_WEBHOOK_SECRET", allowed="whsec_…, or two with a comma between", secret=True),
    ] = Field(None, repr=False)
    smtp_url: Annotated[
        MailUrl | None,
        Env(
            name="KIZASHI_SMTP_URL",
            allowed="smtp://user:password@host:587?from=…&to=… or smtps://…",
            secret=True,
        ),
    ] = Field(None, repr=False)

    @property
    def store_url(self) -> str:
        """Where the store answers: the given URL, else the embedded server's socket."""
        return self.redis_url or embedded.url(self.data_dir)


def variables() -> dict[str, Env]:
    """Every setting's `Env` by the name of its field, in the order of the model."""
    return {
        field: next(mark for mark in info.metadata if isinstance(mark, Env))
        for field, info in Settings.model_fields.items()
    }


def from_env(environ: Mapping[str, str]) -> Settings:
    """The settings in `environ`; a variable set to the empty string counts as unset.

    Raises SettingsError, one line: the variable, what is wrong and what is allowed; a secret's value never.
    """
    known = variables()
    _refuse_unknown(environ, {env.name for env in known.values()})
    given = {field: environ[env.name] for field, env in known.items() if environ.get(env.name)}
    try:
        settings = Settings.model_validate(given)
    except ValidationError as mistakes:
        error = mistakes.errors(include_url=False, include_input=False)[0]
        field = str(error["loc"][0])
        raise SettingsError(_explain(known[field], given.get(field, ""), error)) from None
    _refuse_unsigned(settings)
    return settings


def _refuse_unsigned(settings: Settings) -> None:
    if bool(settings.webhook_url) != bool(settings.webhook_secret):
        missing = "KIZASHI_WEBHOOK_SECRET" if settings.webhook_url else "KIZASHI_WEBHOOK_URL"
        raise SettingsError(
            f"{missing}: is missing; KIZASHI_WEBHOOK_URL and KIZASHI_WEBHOOK_SECRET go together"
        )


def _refuse_unknown(environ: Mapping[str, str], known: set[str]) -> None:
    unknown = [name for name in environ if name.startswith("KIZASHI_") and name not in known | INTERNAL]
    for name in sorted(unknown):
        raise SettingsError(f"{name}: there is no such setting; {_suggestion(name, known)}")


def _suggestion(name: str, known: set[str]) -> str:
    by_ending = {other.removeprefix("KIZASHI_"): other for other in known}
    near = difflib.get_close_matches(name.removeprefix("KIZASHI_"), by_ending, n=1)
    return f"did you mean {by_ending[near[0]]}?" if near else "see docs/settings.md for those there are"


def _explain(env: Env, value: str, error: Any) -> str:
    problem = PROBLEMS.get(error["type"]) or str(error.get("ctx", {}).get("error") or "is not allowed")
    shown = "the value" if env.secret else ascii(value)
    return f"{env.name}: {shown} {problem}; allowed: {env.allowed}"


def ensure_secrets(settings: Settings) -> Settings:
    """The settings with `secret_key` and `admin_token` filled in.

    What the environment leaves unset is read from `data_dir/secret_key` and `data_dir/admin_token`, made
    with mode 0600 at first use; processes that start together agree on one value.
    Raises SettingsError when the data directory cannot be used.
    """
    made = {
        name: read_or_create(settings.data_dir / name, secrets.token_urlsafe(32))
        for name in ("secret_key", "admin_token")
        if getattr(settings, name) is None
    }
    return settings.model_copy(update=made)
