"""Who can be called now: registered SIP phones and browsers, where they are and since when."""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from itertools import chain, islice
from typing import Final

from gateway.console.rows import Row, time_of
from signaling.scope import identity_in
from signaling.sip.registrar import Registrar
from signaling.voice_sdk.agent import VoiceSdkAgent
from signaling.voice_sdk.protocol import State

MOST_DEVICES: Final = 1000


class Presence:
    """account_of: whose a scoped identity of the registrar is. now: wall clock, aware."""

    def __init__(
        self,
        *,
        account_of: Callable[[str], str],
        registrar: Registrar,
        browsers: VoiceSdkAgent,
        now: Callable[[], datetime],
    ) -> None:
        self._account_of = account_of
        self._registrar = registrar
        self._browsers = browsers
        self._now = now

    def rows(self, account_sid: str) -> list[Row]:
        """By identity; of one identity, who came first stands first. At most ``MOST_DEVICES``."""
        found = list(islice(chain(self._browser_rows(account_sid), self._phone_rows(account_sid)), MOST_DEVICES))
        return sorted(found, key=lambda row: (str(row["identity"]), str(row["since"])))

    def _phone_rows(self, account_sid: str) -> Iterator[Row]:
        return (
            {
                "identity": identity_in(identity),
                "kind": "browser" if binding.flow.is_web else "phone",
                "protocol": f"SIP over {binding.flow.protocol.upper()}",
                "address": f"{binding.flow.remote[0]}:{binding.flow.remote[1]}",
                "agent": binding.user_agent,
                "since": self._before(self._registrar.age_s(binding)),
                "until": self._before(-self._registrar.left_s(binding)),
            }
            for identity in self._registrar.identities
            if self._account_of(identity) == account_sid
            for binding in self._registrar.bindings(identity)
        )

    def _browser_rows(self, account_sid: str) -> Iterator[Row]:
        return (
            {
                "identity": connection.grant.identity,
                "kind": "browser",
                "protocol": "Voice SDK",
                "address": connection.address,
                "agent": "",
                "since": self._before(connection.age_s),
                "until": None,
            }
            for connection in self._browsers.connections
            if connection.state is State.REGISTERED and connection.grant.account_sid == account_sid
        )

    def _before(self, seconds: float) -> str | None:
        return time_of(self._now() - timedelta(seconds=seconds))
