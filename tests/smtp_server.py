"""A local mail server (aiosmtpd's) that keeps what it takes, and answers and fails as it is told.

In a test: `async with SmtpServer() as smtp:` and give `smtp.url` to the sink.
"""

from __future__ import annotations

import asyncio
import datetime
import ssl
import warnings
from collections import defaultdict, deque
from dataclasses import dataclass
from email import message_from_bytes, policy
from email.message import EmailMessage
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

USER, PASSWORD = "kizashi", "p@ss/word"
#: Scripted answers that are no reply: never answer; take the mail, then cut the connection.
HANG, RESET = "hang", "reset"


@dataclass(frozen=True, kw_only=True, slots=True)
class Taken:
    """One mail that was taken, with its envelope. `raw` is what came over the wire."""

    sender: str
    recipients: tuple[str, ...]
    raw: bytes
    tls: bool

    @property
    def mail(self) -> EmailMessage:
        """The mail, parsed."""
        parsed = message_from_bytes(self.raw, policy=policy.default)
        assert isinstance(parsed, EmailMessage)
        return parsed

    def body(self, kind: str) -> str:
        """The text of the `plain` or `html` part."""
        part = self.mail.get_body((kind,))
        assert part is not None
        return str(part.get_content())


class SmtpServer:
    """`script("RCPT", "450 4.2.1 later")` gives the next answers to a command (MAIL, RCPT, DATA); after them it
    takes everything. With `tls` it offers STARTTLS, or with `implicit` speaks TLS from the start; then a login is
    demanded.
    """

    def __init__(self, *, tls: ssl.SSLContext | None = None, implicit: bool = False) -> None:
        self._tls, self._implicit = tls, implicit
        self.taken: list[Taken] = []
        self.connections = 0
        self._answers: dict[str, deque[str]] = defaultdict(deque)
        self._server: asyncio.Server | None = None
        self._hanging: set[asyncio.Event] = set()
        self.port = 0

    @property
    def url(self) -> str:
        """The setting for this server, but `from` and `to`."""
        if self._tls is None:
            return f"smtp://127.0.0.1:{self.port}?tls=none"
        scheme = "smtps" if self._implicit else "smtp"
        return f"{scheme}://{USER}:p%40ss%2Fword@127.0.0.1:{self.port}?"

    def script(self, command: str, *answers: str) -> None:
        """The next answers to a command."""
        self._answers[command].extend(answers)

    async def __aenter__(self) -> SmtpServer:
        self._server = await asyncio.get_running_loop().create_server(
            self._protocol, "127.0.0.1", 0, ssl=self._tls if self._implicit else None
        )
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        for event in self._hanging:
            event.set()
        self._server.close()
        await self._server.wait_closed()

    def _protocol(self) -> SMTP:
        self.connections += 1
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it takes a login without STARTTLS for one without TLS
            return SMTP(
                self,
                hostname="mail.example",
                tls_context=None if self._implicit else self._tls,
                require_starttls=self._tls is not None and not self._implicit,
                auth_required=self._tls is not None,
                auth_require_tls=not self._implicit,
                authenticator=self._log_in,
                loop=asyncio.get_running_loop(),
            )

    def _log_in(self, server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
        right = data == LoginPassword(login=USER.encode(), password=PASSWORD.encode())
        return AuthResult(success=right, handled=False)

    async def handle_MAIL(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:
        if answer := await self._answer("MAIL", server):
            return answer
        envelope.mail_from = address
        return "250 OK"

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:
        if answer := await self._answer("RCPT", server):
            return answer
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        answer = self._answers["DATA"][0] if self._answers["DATA"] else ""
        if answer in {"", RESET}:
            self.taken.append(
                Taken(
                    sender=envelope.mail_from,
                    recipients=tuple(envelope.rcpt_tos),
                    raw=envelope.original_content,
                    tls=session.ssl is not None or self._implicit,
                )
            )
        return await self._answer("DATA", server) or "250 OK"

    async def _answer(self, command: str, server: Any) -> str:
        if not self._answers[command]:
            return ""
        answer = self._answers[command].popleft()
        if answer == HANG:
            self._hanging.add(event := asyncio.Event())
            await event.wait()
        if answer == RESET:
            server.transport.abort()
        return "250 OK" if answer in {HANG, RESET} else answer


def certificate(directory: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """The contexts of a server with a certificate for 127.0.0.1, and of a client that trusts it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = directory / "mail.pem"
    pem.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + made.public_bytes(serialization.Encoding.PEM)
    )
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server.load_cert_chain(pem)
    client = ssl.create_default_context()
    client.load_verify_locations(cadata=made.public_bytes(serialization.Encoding.PEM).decode())
    return server, client
