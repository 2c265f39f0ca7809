"""What the value of a setting may look like: one checked type per kind. A check names the problem only."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, ValidationInfo

from alerts.sinks.mail_server import parse_mail_url
from alerts.sinks.signature import parse_secrets
from core.addresses import check_url, parse_allowed
from server.client_ip import Network, networks
from server.geo import checked_database


def _url(*schemes: str) -> AfterValidator:
    def check(value: str) -> str:
        try:
            parts = urlsplit(value)
            _ = parts.port
        except ValueError:
            raise ValueError("is not a URL") from None
        if parts.scheme not in schemes:
            raise ValueError("does not start with " + " or ".join(f"{scheme}://" for scheme in schemes))
        if not (parts.path.strip("/") if parts.scheme == "unix" else parts.hostname):
            raise ValueError("names no " + ("socket" if parts.scheme == "unix" else "host"))
        if any(mark.isspace() or not mark.isprintable() for mark in value):
            raise ValueError("holds a space or a control character")
        return value

    return AfterValidator(check)


def _brokers(value: str) -> str:
    scheme, _, hosts = value.partition("://")
    if scheme != "kafka":
        raise ValueError("does not start with kafka://")
    for host in hosts.rstrip("/").split(";"):
        name, _, port = host.rpartition(":")
        if not name or not (port.isascii() and port.isdigit() and 0 < int(port) < 65536):
            raise ValueError("has a part that is not host:port")
    return value


def _without_query(value: str) -> str:
    parts = urlsplit(value)
    if parts.query or parts.fragment or parts.username is not None:
        raise ValueError("carries more than a host and a path")
    return value.rstrip("/")


def _token(value: str) -> str:
    if not (value.isascii() and value.isprintable()) or " " in value:
        raise ValueError("holds a space or a character outside printable ASCII")
    return value


def _long_token(value: str) -> str:
    if len(value) < 8:
        raise ValueError("is too short")
    return value


def _bot_token(value: str) -> str:
    # The usual mix-ups: an app-level token, a user token, the webhook's URL.
    if value.startswith(("xapp-", "xoxp-", "http")):
        raise ValueError("is not a bot token")
    return value


def _host(value: str) -> str:
    if any(mark in "/[]@" or mark.isspace() for mark in value):
        raise ValueError("is not a host name or an IP address")
    return value


def _switch(value: object) -> bool:
    if value not in ("true", "false", True, False):
        raise ValueError("is neither true nor false")
    return value in ("true", True)


def _readable(parse: Callable[[str], object]) -> AfterValidator:
    """Text that `parse` accepts, kept as text."""

    def check(value: str) -> str:
        parse(value)
        return value

    return AfterValidator(check)


def _receiver(value: str, checked: ValidationInfo) -> str:
    if problem := check_url(value, allowed=parse_allowed(checked.data.get("outgoing_allow") or "")):
        raise ValueError(problem)
    return value


def _absolute(value: Path) -> Path:
    if "\0" in str(value):
        raise ValueError("holds a NUL character")
    return value.expanduser().absolute()


StoreUrl = Annotated[str, _url("redis", "rediss", "unix")]
BrokerUrl = Annotated[str, AfterValidator(_brokers)]
HttpUrl = Annotated[str, _url("https", "http")]
PublicUrl = Annotated[HttpUrl, AfterValidator(_without_query)]
Token = Annotated[str, AfterValidator(_token)]
LongToken = Annotated[Token, AfterValidator(_long_token)]
BotToken = Annotated[Token, AfterValidator(_bot_token)]
Host = Annotated[str, AfterValidator(_host)]
Directory = Annotated[Path, AfterValidator(_absolute)]
MaxMindFile = Annotated[Directory, AfterValidator(checked_database)]
Networks = Annotated[tuple[Network, ...], BeforeValidator(networks)]
Switch = Annotated[bool, BeforeValidator(_switch)]
AllowList = Annotated[str, _readable(parse_allowed)]
WebhookSecret = Annotated[str, _readable(parse_secrets)]
MailUrl = Annotated[str, _readable(parse_mail_url)]
ReceiverUrl = Annotated[str, AfterValidator(_receiver)]
