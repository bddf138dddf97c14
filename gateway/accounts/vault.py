"""Secrets at rest: sealed with a key that is in the configuration and not in the database.

Auth tokens sign webhooks, keys sign access tokens and passwords answer digests: each is needed as it is, so a hash
would not do. What somebody reads who has the database alone is Fernet's AES-128-CBC with an HMAC.
Pure, but deriving the key takes a tenth of a second on purpose. Source: Fernet specification; RFC 7914 (scrypt).
"""

import hashlib
from base64 import urlsafe_b64encode
from collections.abc import Iterable
from typing import Final

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from signaling.errors import Fault, GatewayError

# The same for every installation: what is derived has to be found again with nothing but the configuration.
_SALT: Final = b"ringfork storage secret 1"
_COST: Final = 2**14


class SecretUnreadable(GatewayError):
    """A secret in the database was sealed with another key."""

    fault = Fault.CLIENT

    def __init__(self) -> None:
        super().__init__(
            "storage.secret: the secrets in the database were sealed with another one; "
            "expected the former in storage.previous_secret (without storage.secret it is account.auth_token)"
        )


class Vault:
    """secret seals; previous, if any, only opens. Blocks while it is made."""

    def __init__(self, secret: str, *, previous: str = "") -> None:
        self._newest = Fernet(_key(secret))
        self._fernet = MultiFernet([self._newest, *([Fernet(_key(previous))] if previous else [])])

    def seal(self, secret: str) -> str:
        return self._fernet.encrypt(secret.encode()).decode("ascii")

    def is_stale(self, cells: Iterable[object]) -> bool:
        """Whether one of these was sealed with the previous secret."""
        sealed = [cell for cell in cells if isinstance(cell, str) and _opens(self._fernet, cell)]
        return not all(_opens(self._newest, cell) for cell in sealed)

    def open(self, sealed: str) -> str:
        """Raises SecretUnreadable."""
        try:
            return self._fernet.decrypt(sealed.encode()).decode()
        except (InvalidToken, UnicodeDecodeError):
            raise SecretUnreadable from None


def _opens(fernet: Fernet | MultiFernet, cell: str) -> bool:
    try:
        fernet.decrypt(cell.encode())
    except InvalidToken:
        return False
    return True


def _key(secret: str) -> bytes:
    return urlsafe_b64encode(hashlib.scrypt(secret.encode(), salt=_SALT, n=_COST, r=8, p=1, dklen=32))
