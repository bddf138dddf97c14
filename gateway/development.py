"""Development mode: a configuration for loopback, made where ``ringfork serve`` is started without one.

Owns the text of that file and its fresh secrets. Nothing in it listens beyond 127.0.0.1.
"""

import os
import secrets
from pathlib import Path

from gateway.sids import new_sid

FILE_NAME = "ringfork.toml"

_TEMPLATE = """\
# Made by `ringfork serve` for development: everything on 127.0.0.1, secrets made for this file alone.
# Every key is explained in configs/ringfork.toml.

[server]
listen = "127.0.0.1:8080"
public_url = "http://127.0.0.1:8080"

[account]
sid = "{account_sid}"
auth_token = "{auth_token}"

[[api_keys]]
sid = "{key_sid}"
secret = "{key_secret}"

[sip]
listen = ["udp:127.0.0.1:5060", "tcp:127.0.0.1:5060"]
domain = "127.0.0.1"
voice_url = ""          # your TwiML application; empty: phones call each other directly

[media]
address = "127.0.0.1"

[[clients]]
identity = "alice"
password = "{alice}"

[[clients]]
identity = "bob"
password = "{bob}"
"""


def make_configuration(directory: Path) -> Path:
    """Write the file, readable by its owner only. Never replaces one: raises FileExistsError."""
    path = directory / FILE_NAME
    text = _TEMPLATE.format(
        account_sid=new_sid("AC"),
        auth_token=secrets.token_hex(16),
        key_sid=new_sid("SK"),
        key_secret=secrets.token_hex(16),
        alice=secrets.token_urlsafe(12),
        bob=secrets.token_urlsafe(12),
    )
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    return path
