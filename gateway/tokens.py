"""Access tokens by an account's keys: who signs them, and which are ours.

Owns which key and application a token of ours names. The tokens themselves are signaling/tokens.py's.
Source: Twilio "Access Tokens"; README, "Configuration", api_keys and applications.
"""

from collections.abc import Callable
from datetime import UTC, datetime

from gateway.accounts.directory import Directory
from gateway.accounts.entries import Application, Key
from gateway.config import Configuration
from gateway.routing import BUILT_IN_APPLICATION_SID
from signaling.errors import Fault, GatewayError
from signaling.tokens import DEFAULT_LIFETIME_S, SigningKey, TokenVerifier, make_token


class NoSigningKey(GatewayError):
    """The account has nothing to sign tokens with."""

    fault = Fault.CLIENT

    def __init__(self) -> None:
        super().__init__("api_keys: expected at least one [[api_keys]] entry to sign access tokens with")


def configured(configuration: Configuration, *, clock: Callable[[], float]) -> Directory:
    """What the configuration says alone. clock: wall clock."""
    return Directory.of(configuration, since=datetime.fromtimestamp(clock(), UTC))


def verifier_of(directory: Directory, *, clock: Callable[[], float]) -> TokenVerifier:
    """Tokens signed by any account's key, as keys come and go. clock: wall clock.

    Source: access-tokens.md 2 of the specification (an account's own token signs none).
    """
    return TokenVerifier(directory.signing_key, clock=clock)


class TokenIssuer:
    """Makes tokens with the oldest API key of an account. clock: wall clock."""

    def __init__(self, directory: Directory, *, clock: Callable[[], float]) -> None:
        self._directory = directory
        self._clock = clock

    def issue(
        self,
        identity: str,
        *,
        account_sid: str = "",
        lifetime_s: int = DEFAULT_LIFETIME_S,
        may_receive: bool = True,
        application_sid: str | None = None,
    ) -> str:
        """application_sid: default is the account's oldest application, or the built-in one. account_sid "": the main.

        Raises TokenRefused, NoSigningKey.
        """
        owner = account_sid or self._directory.main.sid
        key = self._directory.oldest(Key, owner)
        if key is None:
            raise NoSigningKey
        application = self._directory.oldest(Application, owner)
        return make_token(
            key_sid=key.sid,
            key=SigningKey(account_sid=owner, secret=key.secret),
            identity=identity,
            now=self._clock(),
            lifetime_s=lifetime_s,
            may_receive=may_receive,
            application_sid=application_sid or (application.sid if application else BUILT_IN_APPLICATION_SID),
        )
