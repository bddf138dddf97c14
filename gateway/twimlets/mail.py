"""Voice mail by e-mail: one message to one receiver, over the operator's own mail server.

Blocks; called on a thread. Without a configured server nothing is sent and the log says so.
Source: twimlets.md of the specification, voicemail; RFC 5321, RFC 6409 (submission).
"""

import smtplib
import ssl
from dataclasses import dataclass
from email.errors import MessageError
from email.message import EmailMessage
from typing import Final

TIMEOUT_S: Final = 20


@dataclass(frozen=True, kw_only=True)
class Mailer:
    """server: host:port; sender: address mails come from. username "": no login; with one, verified TLS."""

    server: str
    sender: str
    username: str = ""
    password: str = ""

    def send(self, receiver: str, subject: str, text: str) -> None:
        """Raises OSError (smtplib's errors are such) or ValueError for what cannot be sent."""
        if not receiver.strip():
            raise ValueError("nobody to write to")
        mail = EmailMessage()
        try:
            mail["From"], mail["To"], mail["Subject"] = self.sender, receiver, subject
        except MessageError as error:
            raise ValueError(str(error)) from error
        mail.set_content(text)
        host, _, port = self.server.rpartition(":")
        with smtplib.SMTP(host, int(port), timeout=TIMEOUT_S) as server:
            if self.username:
                server.starttls(context=ssl.create_default_context())
                server.login(self.username, self.password)
            server.send_message(mail)
