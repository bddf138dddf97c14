"""Who is shown as reachable: phones of the registrar and browsers of the Voice SDK, each to its own account only."""

from datetime import UTC, datetime

import pytest

from gateway.console import presence as presence_module
from gateway.console.presence import Presence
from tests.signaling.sip.test_registrar import World, tcp, udp
from tests.signaling.voice_sdk.peers import ACCOUNT, Rig
from tests.virtual_time import run

NOW = datetime(2025, 3, 14, 12, 0, 0, tzinfo=UTC)
OTHER = "AC" + "9" * 32


class Scene:
    def __init__(self) -> None:
        self.phones = World()
        self.browsers = Rig()
        self.presence = Presence(
            account_of=lambda identity: OTHER if identity == "bob" else ACCOUNT,
            registrar=self.phones.registrar,
            browsers=self.browsers.agent,
            now=lambda: NOW,
        )


def test_presence_tells_who_is_there_where_and_since_when() -> None:
    async def scene() -> None:
        at = Scene()
        at.phones.register("<sip:alice@10.0.0.5>;expires=600", flow=udp(40001))
        at.phones.clock.now += 90
        at.phones.register("<sip:alice@10.0.0.6>;expires=600", flow=tcp(7), call_id="call-2")
        at.phones.clock.now += 30
        at.browsers.browser()
        rows = at.presence.rows(ACCOUNT)
        told = [(row["identity"], row["protocol"], row["address"], row["agent"]) for row in rows]
        assert told[:2] == [
            ("alice", "SIP over UDP", "198.51.100.7:40001", "test phone"),
            ("alice", "SIP over TCP", "198.51.100.7:50000", "test phone"),
        ]
        assert [row["protocol"] for row in rows] == ["SIP over UDP", "SIP over TCP", "Voice SDK"]
        assert rows[0]["since"] == "2025-03-14T11:58:00.000+00:00"
        assert rows[0]["until"] == "2025-03-14T12:08:00.000+00:00"
        at.browsers.agent.stop()

    run(scene())


def test_presence_shows_an_account_its_own_devices_only() -> None:
    async def scene() -> None:
        at = Scene()
        at.phones.register("<sip:bob@10.0.0.5>", user="bob")
        at.browsers.browser()
        assert [row["identity"] for row in at.presence.rows(OTHER)] == ["bob"]
        assert [row["protocol"] for row in at.presence.rows(ACCOUNT)] == ["Voice SDK"]
        assert at.presence.rows("AC" + "0" * 32) == []
        at.browsers.agent.stop()

    run(scene())


def test_presence_forgets_who_went() -> None:
    async def scene() -> None:
        at = Scene()
        at.phones.register("<sip:alice@10.0.0.5>;expires=60")
        browser = at.browsers.browser()
        at.phones.clock.now += 61
        browser.say("register", media={"audio": False})
        assert at.presence.rows(ACCOUNT) == []
        at.browsers.agent.stop()

    run(scene())


def test_presence_of_very_many_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scene() -> None:
        monkeypatch.setattr(presence_module, "MOST_DEVICES", 3)
        at = Scene()
        for number in range(6):
            at.phones.register(f"<sip:alice@10.0.0.{number}>", call_id=f"call-{number}")
        assert len(at.presence.rows(ACCOUNT)) == 3
        at.browsers.agent.stop()

    run(scene())
