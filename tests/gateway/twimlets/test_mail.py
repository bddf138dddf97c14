"""Voice mail as a mail server gets it."""

import socketserver
import threading
from collections.abc import Iterator

import pytest

from gateway.twimlets.mail import Mailer


class _Session(socketserver.StreamRequestHandler):
    """As much of SMTP as one mail takes; without STARTTLS. Source: RFC 5321."""

    def handle(self) -> None:
        letterbox = self.server
        assert isinstance(letterbox, Letterbox)
        self.wfile.write(b"220 ready\r\n")
        for line in self.rfile:
            command = line[:4].upper()
            letterbox.commands.append(line.decode().strip())
            if command == b"DATA":
                self.wfile.write(b"354 go on\r\n")
                for text in self.rfile:
                    if text == b".\r\n":
                        break
                    letterbox.text += text.decode()
            if command == b"QUIT":
                self.wfile.write(b"221 bye\r\n")
                return
            self.wfile.write(b"250 fine\r\n")


class Letterbox(socketserver.ThreadingTCPServer):
    """What it was told, and the mail it got."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Session)
        self.commands: list[str] = []
        self.text = ""

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.server_address[1]}"


@pytest.fixture
def letterbox() -> Iterator[Letterbox]:
    with Letterbox() as letterbox:
        serving = threading.Thread(target=letterbox.serve_forever, kwargs={"poll_interval": 0.01})
        serving.start()
        yield letterbox
        letterbox.shutdown()
        serving.join()


def test_mail_reaches_its_receiver(letterbox: Letterbox) -> None:
    Mailer(server=letterbox.address, sender="ringfork@example.com").send("me@example.com", "New message", "Grüße\n")
    assert [line for line in letterbox.commands if "RCPT" in line.upper()] == ["rcpt TO:<me@example.com>"]
    assert "Subject: New message" in letterbox.text and "From: ringfork@example.com" in letterbox.text


@pytest.mark.parametrize("receiver", ["me@example.com\r\nBcc: all@example.com", ""])
def test_mail_to_nobody_that_can_be_written_to_is_refused(letterbox: Letterbox, receiver: str) -> None:
    with pytest.raises((ValueError, OSError)):
        Mailer(server=letterbox.address, sender="ringfork@example.com").send(receiver, "New message", "text")
    assert letterbox.text == ""


def test_mail_password_is_not_told_to_a_server_without_tls(letterbox: Letterbox) -> None:
    mailer = Mailer(server=letterbox.address, sender="ringfork@example.com", username="u", password="secret")
    with pytest.raises(OSError):
        mailer.send("me@example.com", "New message", "text")
    assert not any("AUTH" in line.upper() for line in letterbox.commands)
