"""Alerts by e-mail: one mail for each, to the addresses in the settings."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP

from alerts.model import Alert
from alerts.sinks.base import Message, Sent
from alerts.sinks.mail_body import html_body, plain_body, subject
from alerts.sinks.mail_server import Conversation, MailServer
from alerts.sinks.marks import message_id, plain_name
from alerts.words import is_japanese

CHANNEL = "email"
#: For each answer. A server that scans a mail before it answers takes its time.
TIMEOUT_S = 30.0
#: Seven bits: no mail server on the way has to know more, and no long line is broken by one.
_POLICY = SMTP.clone(cte_type="7bit")


class EmailSink:
    """Hands each message to a mail server. `clock` is epoch milliseconds.

    A retry has the same `Message-ID`, by which mailboxes know a copy. The mails of one episode, and an update and
    what it updates, stand in one thread.
    """

    pace_s = 1.0
    digests = True

    def __init__(
        self,
        server: MailServer,
        *,
        clock: Callable[[], int],
        timeout_s: float = TIMEOUT_S,
        tls_context: ssl.SSLContext | None = None,
    ) -> None:
        self._server, self._clock, self._timeout_s, self._tls_context = server, clock, timeout_s, tls_context

    def channel(self, alert: Alert) -> str:  # noqa: ARG002
        """One mail server, one queue."""
        return CHANNEL

    async def send(self, alert: Alert, message: Message, *, attempt: int) -> Sent:  # noqa: ARG002
        """Send the message as a mail. `ts` is its Message-ID. Raises RetryLater, Refused."""
        return await self._post(self._mail(alert, message, self._id(message_id(alert, message))))

    async def update(self, sent: Sent, alert: Alert, message: Message, *, attempt: int) -> Sent:  # noqa: ARG002
        """Send the message as an answer to the mail `sent`. Raises RetryLater, Refused."""
        name = self._id(message_id(alert, message, updated=True))
        await self._post(self._mail(alert, message, name, answers=sent.ts))
        return sent

    async def probe(self) -> None:
        """Connect and log in. Raises RetryLater, Refused."""
        async with self._conversation():
            pass

    async def close(self) -> None:
        """Nothing is open between two mails."""

    async def _post(self, mail: EmailMessage) -> Sent:
        async with self._conversation() as conversation:
            await conversation.post(mail.as_bytes(policy=_POLICY))
        return Sent(channel=CHANNEL, ts=str(mail["Message-ID"]))

    def _mail(self, alert: Alert, message: Message, name: str, *, answers: str | None = None) -> EmailMessage:
        mail = EmailMessage(policy=_POLICY)
        mail["Message-ID"] = name
        mail["Date"] = datetime.fromtimestamp(self._clock() / 1000, UTC)
        mail["From"], mail["To"] = self._server.sender, self._server.recipients
        mail["Subject"] = _subject(alert, message, updated=answers is not None or not alert.first)
        mail["Auto-Submitted"] = "auto-generated"
        mail["X-Auto-Response-Suppress"] = "All"
        if thread := self._thread(alert, answers):
            mail["In-Reply-To"], mail["References"] = thread[-1], " ".join(thread)
        mail.set_content(plain_body(message))
        mail.add_alternative(html_body(message, alert.locale), subtype="html")
        return mail

    def _thread(self, alert: Alert, answers: str | None) -> list[str]:
        """The ids of what the mail follows. No mail has the episode's own: it only holds its mails together."""
        episode = [self._id(f"episode-{plain_name(alert.episode)}")] if alert.episode else []
        return [*episode, *([answers] if answers else [])]

    def _id(self, name: str) -> str:
        return f"<{name}@{self._server.sender.domain}>"

    def _conversation(self) -> Conversation:
        return Conversation(self._server, timeout_s=self._timeout_s, tls_context=self._tls_context)


def _subject(alert: Alert, message: Message, *, updated: bool) -> str:
    mark = ("【更新】" if is_japanese(alert.locale) else "[update] ") if updated else ""
    return f"{mark}{subject(message)}"
