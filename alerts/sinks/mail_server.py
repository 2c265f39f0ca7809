"""The mail server that the settings name, and what a conversation with it can end in."""

from __future__ import annotations

import contextlib
import re
import ssl
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from email.headerregistry import Address
from email.utils import getaddresses
from typing import Literal
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

import aiosmtplib
import structlog
from aiosmtplib import SMTP

from alerts.sinks.base import Posted, Refused, RetryLater

log = structlog.get_logger(__name__)
Tls = Literal["starttls", "implicit", "none"]
_PARTS = frozenset({"from", "to", "tls"})
_ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*")
_ENHANCED = re.compile(r"\s*([245]\.\d{1,3}\.\d{1,3})\b")


@dataclass(frozen=True, kw_only=True, slots=True)
class MailServer:
    """Where mail is handed in, from whom and to whom. `username` is "" where no login is needed."""

    host: str
    port: int
    tls: Tls
    sender: Address
    recipients: tuple[Address, ...]
    username: str = ""
    password: str = field(default="", repr=False)


def parse_mail_url(url: str) -> MailServer:
    """`smtp://user:password@host:587?from=Kizashi <k@acme.example>&to=a@acme.example,b@acme.example` as a value.

    `smtp://` demands STARTTLS, `smtps://` speaks TLS from the start; `tls=none` turns it off, which is refused
    together with a password. Raises ValueError, which never names a part of the URL's value.
    """
    try:
        parts = urlsplit(url)
        given, port = parse_qs(parts.query, strict_parsing=bool(parts.query)), parts.port
    except ValueError:
        raise ValueError("is not a URL") from None
    if parts.scheme not in {"smtp", "smtps"}:
        raise ValueError("does not start with smtp:// or smtps://")
    if not parts.hostname or parts.path.strip("/") or parts.fragment or not given.keys() <= _PARTS:
        raise ValueError("is not smtp://user:password@host:port?from=…&to=… with nothing else in it")
    senders, recipients = _addresses(given.get("from", [])), _addresses(given.get("to", []))
    if len(senders) != 1 or not recipients:
        raise ValueError("needs one address in from= and one or more in to=")
    tls = _tls(parts, given.get("tls", []))
    return MailServer(
        host=parts.hostname,
        port=port or (465 if tls == "implicit" else 587),
        tls=tls,
        sender=senders[0],
        recipients=recipients,
        username=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
    )


def _tls(parts: SplitResult, given: Sequence[str]) -> Tls:
    if not given:
        return "implicit" if parts.scheme == "smtps" else "starttls"
    if list(given) != ["none"] or parts.scheme == "smtps":
        raise ValueError("may have tls=none after smtp://, and no other tls=")
    if parts.password:
        raise ValueError("would send the password unencrypted: leave out tls=none")
    return "none"


def _addresses(given: Sequence[str]) -> tuple[Address, ...]:
    found = []
    for name, spec in getaddresses(list(given)):
        if not _ADDRESS.fullmatch(spec) or not name.isprintable():
            raise ValueError("holds an e-mail address that is none")
        local, _, domain = spec.rpartition("@")
        found.append(Address(display_name=name, username=local, domain=domain))
    return tuple(found)


class Conversation:
    """One connection to the mail server. `tls_context` is for a certificate authority of one's own."""

    def __init__(
        self, server: MailServer, *, timeout_s: float, tls_context: ssl.SSLContext | None = None
    ) -> None:
        self._server = server
        self._smtp = SMTP(
            hostname=server.host,
            port=server.port,
            use_tls=server.tls == "implicit",
            start_tls=server.tls == "starttls",
            username=server.username or None,
            password=server.password or None,
            local_hostname=server.sender.domain,
            timeout=timeout_s,
            tls_context=tls_context,
        )

    async def __aenter__(self) -> Conversation:
        """Connect and log in. Raises RetryLater, Refused."""
        with _named("connecting"):
            await self._smtp.connect()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Part politely; what was taken stays taken."""
        with contextlib.suppress(aiosmtplib.SMTPException, OSError, TimeoutError):
            if self._smtp.is_connected:
                await self._smtp.quit()
        self._smtp.close()

    async def post(self, mail: bytes) -> None:
        """Hand in one mail. Where only some recipients are refused, the others get it.

        Raises RetryLater, Refused.
        """
        with _named("sender"):
            await self._smtp.ehlo()
            await self._smtp.mail(self._server.sender.addr_spec)
        with _named("recipient"):
            await self._name_recipients()
        with _named("content", silent="unknown"):
            await self._smtp.data(mail)

    async def _name_recipients(self) -> None:
        refused = []
        for recipient in self._server.recipients:
            try:
                await self._smtp.rcpt(recipient.addr_spec)
            except aiosmtplib.SMTPRecipientRefused as error:
                refused.append(error)
        if len(refused) == len(self._server.recipients):
            # One that is refused for now only may be taken later.
            raise min(refused, key=lambda error: error.code)
        for one in refused:
            log.warning("mail recipient refused", reason=_reply(one, "recipient"))


@contextlib.contextmanager
def _named(stage: str, *, silent: Posted = "no") -> Iterator[None]:
    """Turn the client's errors into RetryLater and Refused. `silent` is whether a server that says nothing may
    have taken the mail. The server's own words stay out: they repeat addresses.
    """
    try:
        yield
    except aiosmtplib.SMTPResponseException as error:
        reason = _reply(error, stage)
        if 500 <= error.code < 600:
            raise Refused(reason) from error
        raise RetryLater(None, reason) from error
    except (aiosmtplib.SMTPException, OSError, TimeoutError) as error:
        if type(error) in {aiosmtplib.SMTPException, aiosmtplib.SMTPNotSupported}:
            raise Refused("the mail server offers no STARTTLS, or no login that fits") from error
        reason = f"no answer from the mail server ({type(error).__name__}, {stage})"
        raise RetryLater(None, reason, posted=silent) from error


def _reply(error: aiosmtplib.SMTPResponseException, stage: str) -> str:
    enhanced = _ENHANCED.match(error.message)
    return f"SMTP {error.code}{f' {enhanced[1]}' if enhanced else ''} ({stage})"
