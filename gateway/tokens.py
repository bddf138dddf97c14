"""Access tokens by the configuration's keys: who signs them, and which are ours.

Owns which key and application a token of ours names. The tokens themselves are signaling/tokens.py's.
Source: Twilio "Access Tokens"; README, "Configuration", api_keys and applications.
"""

from collections.abc import Callable

from gateway.config import Configuration
from gateway.routing import BUILT_IN_APPLICATION_SID
from signaling.errors import Fault, GatewayError
from signaling.tokens import DEFAULT_LIFETIME_S, SigningKey, TokenVerifier, make_token


class NoSigningKey(GatewayError):
    """The configuration has nothing to sign tokens with."""

    fault = Fault.CLIENT

    def __init__(self) -> None:
        super().__init__("api_keys: expected at least one [[api_keys]] entry to sign access tokens with")


def signing_keys(configuration: Configuration) -> dict[str, SigningKey]:
    """By sid of the key. Source: access-tokens.md 2 of the specification (the account's own token signs none)."""
    account_sid = configuration.account.sid
    return {
        key.sid: SigningKey(account_sid=account_sid, secret=key.secret.get_secret_value())
        for key in configuration.api_keys
    }


def verifier_of(configuration: Configuration, *, clock: Callable[[], float]) -> TokenVerifier:
    """clock: wall clock."""
    return TokenVerifier(signing_keys(configuration).get, clock=clock)


class TokenIssuer:
    """Makes tokens with the first API key. Raises NoSigningKey when there is none. clock: wall clock."""

    def __init__(self, configuration: Configuration, *, clock: Callable[[], float]) -> None:
        self._keys = signing_keys(configuration)
        if not self._keys:
            raise NoSigningKey
        self._clock = clock
        applications = configuration.applications
        self._application_sid = applications[0].sid if applications else BUILT_IN_APPLICATION_SID

    def issue(
        self,
        identity: str,
        *,
        lifetime_s: int = DEFAULT_LIFETIME_S,
        may_receive: bool = True,
        application_sid: str | None = None,
    ) -> str:
        """application_sid: default is the first application, or the built-in one. Raises TokenRefused."""
        key_sid, key = next(iter(self._keys.items()))
        return make_token(
            key_sid=key_sid,
            key=key,
            identity=identity,
            now=self._clock(),
            lifetime_s=lifetime_s,
            may_receive=may_receive,
            application_sid=application_sid or self._application_sid,
        )
