"""One browser's socket: login, registration, heartbeat, and what happens when its token is wrong or runs out."""

import asyncio
import json

import pytest

from signaling.scope import scoped
from signaling.tokens import SigningKey, make_token
from signaling.voice_sdk.protocol import State
from signaling.voice_sdk.settings import VoiceSdkSettings
from tests.signaling.voice_sdk.peers import (
    KEY,
    SIGNING,
    Browser,
    Rig,
    browser_sdp,
    token,
)
from tests.virtual_time import run


def test_login_then_register_then_refresh() -> None:
    async def scene() -> None:
        rig = Rig()
        browser = Browser(rig)
        browser.say("listen", token=token(now=rig.now), reconnectTimeout=0, browserinfo={})
        [connected] = browser.wire.take()
        assert connected["type"] == "connected"
        assert connected["payload"]["token"]["identity"] == "alice"
        assert 3595 <= connected["payload"]["token"]["ttl"] <= 3600
        assert connected["payload"]["edge"] == "roaming"
        assert rig.agent.devices("alice") == []
        browser.say("register", media={"audio": True})
        assert browser.wire.kinds() == ["ready"]
        assert len(rig.agent.devices("alice")) == 1
        browser.say("register", media={"audio": True})
        assert browser.wire.kinds() == ["ready"]
        assert len(rig.agent.devices("alice")) == 1
        browser.say("register", media={"audio": False})
        assert browser.wire.kinds() == ["offline"]
        assert rig.agent.devices("alice") == []
        browser.connection.lost()
        assert rig.agent.live == {"connections": 0, "registered": 0, "legs": 0}

    run(scene())


def test_login_statistics_of_the_sdk_lead_nowhere() -> None:
    async def scene() -> None:
        browser = Browser(Rig())
        browser.say("listen", token=token())
        [connected] = browser.wire.take()
        assert f"https://eventgw.{connected['payload']['home']}.twilio.com".startswith("https://eventgw.invalid/")
        browser.connection.lost()

    run(scene())


def test_login_missing_closes_after_ten_seconds() -> None:
    async def scene() -> None:
        browser = Browser(Rig())
        await asyncio.sleep(9.9)
        assert browser.wire.closed is None
        await asyncio.sleep(0.2)
        assert browser.wire.closed == 1008

    run(scene())


@pytest.mark.parametrize(
    "text",
    [
        json.dumps({"type": "register", "payload": {"media": {"audio": True}}}),
        json.dumps({"type": "invite", "payload": {"callsid": "TJS1", "sdp": "v=0"}}),
        json.dumps({"type": "hangup", "payload": {"callsid": "CA1"}}),
        json.dumps({"type": "hangup", "payload": {}}),
        json.dumps({"type": "unheard of"}),
        "no JSON",
    ],
)
def test_login_anything_else_first_closes_at_once(text: str) -> None:
    async def scene() -> None:
        rig = Rig()
        browser = Browser(rig)
        browser.connection.receive(text)
        assert browser.wire.closed in (1007, 1008)
        assert rig.agent.live["connections"] == 0
        browser.say("listen", token=token())
        assert browser.wire.frames == []

    run(scene())


def test_login_echo_of_a_heartbeat_is_no_message() -> None:
    async def scene() -> None:
        browser = Browser(Rig())
        browser.echo()
        browser.log_in()
        assert browser.connection.state is State.REGISTERED
        browser.connection.lost()

    run(scene())


def test_token_wrong_is_answered_and_the_socket_waits_for_a_better_one() -> None:
    async def scene() -> None:
        rig = Rig()
        browser = Browser(rig)
        browser.say("listen", token="wrong")
        # What the SDK had queued comes right behind.
        browser.say("answer", callsid="CA1", sdp="v=0")
        browser.say("register", media={"audio": True})
        [error] = browser.wire.take()
        assert error == {
            "type": "error",
            "payload": {"error": {"code": 31204, "message": "Access token invalid"}},
            "version": "1.6",
        }
        for _ in range(6):
            await asyncio.sleep(5)
            browser.echo()
        assert browser.wire.closed is None
        browser.say("listen", token=token(now=rig.now))
        assert browser.wire.kinds() == ["connected"]
        browser.connection.lost()

    run(scene())


def test_token_wrong_and_no_better_one_closes_after_a_minute() -> None:
    async def scene() -> None:
        rig = Rig()
        browser = Browser(rig)
        browser.say("listen", token="wrong")
        for _ in range(14):
            await asyncio.sleep(4)
            browser.echo()
        assert browser.wire.closed is None
        await asyncio.sleep(5)
        assert browser.wire.closed == 1008
        assert rig.agent.live["connections"] == 0

    run(scene())


def test_token_that_ran_out_is_told_as_such() -> None:
    async def scene() -> None:
        rig = Rig()
        browser = Browser(rig)
        browser.say("listen", token=token(now=rig.now - 7200))
        [error] = browser.wire.take()
        assert error["payload"]["error"]["code"] == 31205
        browser.connection.lost()

    run(scene())


def test_token_runs_out_while_connected() -> None:
    """Told, not reachable any more, and back with a new token. Source: voice-sdk.md 5.4."""

    async def scene() -> None:
        rig = Rig(VoiceSdkSettings(connect_s=1e6))
        browser = rig.browser(token(lifetime_s=60, now=rig.now))
        [leg] = rig.dial()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        browser.say("answer", callsid=leg.call_sid, sdp=browser_sdp())
        browser.wire.take()
        for _ in range(12):
            await asyncio.sleep(5)
            browser.echo()
        error, offline = browser.wire.take()
        assert (error["payload"]["error"]["code"], offline["type"]) == (31205, "offline")
        assert rig.agent.devices("alice") == []
        assert leg.events.ended is None
        browser.say("register", media={"audio": True})
        assert browser.wire.kinds() == ["error", "offline"]
        browser.say("invite", callsid="TJS1", sdp=browser_sdp(), twilio={})
        [hangup] = browser.wire.take()
        assert (hangup["type"], hangup["payload"]["callsid"]) == ("hangup", "TJS1")
        browser.say("listen", token=token(now=rig.now))
        browser.say("register", media={"audio": True})
        assert browser.wire.kinds() == ["connected", "ready"]
        assert len(rig.agent.devices("alice")) == 1
        rig.agent.stop()

    run(scene())


def test_token_ran_out_closes_only_once_no_call_is_left() -> None:
    async def scene() -> None:
        rig = Rig(VoiceSdkSettings(connect_s=1e6))
        browser = rig.browser(token(lifetime_s=60, now=rig.now))
        [leg] = rig.dial()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        browser.say("answer", callsid=leg.call_sid, sdp=browser_sdp())
        for _ in range(50):
            await asyncio.sleep(5)
            browser.echo()
        assert browser.wire.closed is None
        leg.hangup()
        for _ in range(13):
            await asyncio.sleep(5)
            if browser.wire.closed is None:
                browser.echo()
        assert browser.wire.closed == 1008

    run(scene())


def test_token_renewed_in_time_never_runs_out() -> None:
    async def scene() -> None:
        rig = Rig()
        browser = rig.browser(token(lifetime_s=60, now=rig.now))
        await asyncio.sleep(10)
        browser.say("listen", token=token(lifetime_s=600, now=rig.now))
        assert browser.wire.kinds() == ["connected"]
        for _ in range(24):
            await asyncio.sleep(5)
            browser.echo()
        assert browser.wire.kinds() == []
        assert len(rig.agent.devices("alice")) == 1
        browser.connection.lost()

    run(scene())


def test_token_of_another_identity_changes_nothing() -> None:
    async def scene() -> None:
        rig = Rig()
        browser = rig.browser()
        browser.say("listen", token=token("bob"))
        assert browser.wire.kinds() == ["error"]
        assert len(rig.agent.devices("alice")) == 1
        assert rig.agent.devices("bob") == []
        browser.connection.lost()

    run(scene())


def test_token_without_the_right_to_be_called_does_not_register() -> None:
    async def scene() -> None:
        rig = Rig()
        browser = Browser(rig)
        browser.say("listen", token=token(may_receive=False))
        browser.say("register", media={"audio": True})
        connected, error, offline = browser.wire.take()
        assert (error["payload"]["error"]["code"], offline["type"]) == (31201, "offline")
        assert rig.agent.devices("alice") == []
        browser.connection.lost()

    run(scene())


def test_token_new_one_without_the_right_to_be_called_unregisters() -> None:
    async def scene() -> None:
        rig = Rig()
        browser = rig.browser()
        browser.say("listen", token=token(may_receive=False))
        assert browser.wire.kinds() == ["connected", "offline"]
        assert rig.agent.devices("alice") == []
        browser.connection.lost()

    run(scene())


def test_token_within_its_leeway_lasts_to_the_end_of_it() -> None:
    async def scene() -> None:
        rig = Rig()
        text = make_token(key_sid=KEY, key=SIGNING, identity="alice", now=rig.now - 630, lifetime_s=600)
        browser = Browser(rig)
        browser.say("listen", token=text)
        [connected] = browser.wire.take()
        assert 28 <= connected["payload"]["token"]["ttl"] <= 30
        browser.connection.lost()

    run(scene())


def test_heartbeat_comes_every_five_seconds_from_the_opening_on() -> None:
    async def scene() -> None:
        browser = Browser(Rig())
        browser.log_in()
        for expected in (1, 2, 3):
            await asyncio.sleep(5)
            assert browser.wire.beats == expected
            browser.echo()
        browser.connection.lost()

    run(scene())


def test_heartbeat_without_an_echo_means_gone_within_fifteen_seconds() -> None:
    async def scene() -> None:
        rig = Rig()
        browser = rig.browser()
        await asyncio.sleep(14)
        assert rig.agent.devices("alice") != []
        await asyncio.sleep(1.1)
        assert rig.agent.devices("alice") == []
        assert browser.wire.closed == 1001
        assert rig.agent.live["connections"] == 0

    run(scene())


def test_message_broken_after_login_closes_and_frees_everything() -> None:
    async def scene() -> None:
        rig = Rig()
        browser = rig.browser()
        [leg] = rig.dial()
        await asyncio.sleep(0)
        browser.connection.receive("{")
        assert browser.wire.closed == 1007
        assert rig.agent.devices("alice") == []
        await asyncio.sleep(2)
        assert leg.events.ended is not None
        assert rig.agent.live == {"connections": 0, "registered": 0, "legs": 0}

    run(scene())


def test_message_bad_or_unknown_after_login_is_told_and_forgotten() -> None:
    async def scene() -> None:
        browser = Rig().browser()
        browser.say("answer", callsid="CA1")
        [error] = browser.wire.take()
        assert error["payload"]["error"]["code"] == 31100
        assert error["payload"]["callsid"] == "CA1"
        browser.say("something new", of=1)
        assert browser.wire.take() == []
        assert browser.wire.closed is None
        browser.connection.lost()

    run(scene())


def test_message_flood_is_cut_off() -> None:
    async def scene() -> None:
        browser = Rig().browser()
        for _ in range(10_000):
            browser.connection.receive_ping()
            if browser.wire.closed is not None:
                break
        assert browser.wire.closed == 1008

    run(scene())


def test_sockets_oldest_idle_one_of_an_identity_goes() -> None:
    async def scene() -> None:
        rig = Rig(VoiceSdkSettings(connections_per_identity=3))
        browsers = [rig.browser() for _ in range(4)]
        assert [browser.wire.closed for browser in browsers] == [1001, None, None, None]
        assert len(rig.agent.devices("alice")) == 3
        rig.agent.stop()

    run(scene())


def test_sockets_without_a_login_are_limited_by_address() -> None:
    async def scene() -> None:
        rig = Rig(VoiceSdkSettings(pending_per_address=2))
        first, _second = Browser(rig), Browser(rig)
        assert not rig.agent.has_room("192.0.2.1")
        assert rig.agent.has_room("192.0.2.2")
        first.log_in()
        assert rig.agent.has_room("192.0.2.1")
        rig.agent.stop()
        assert rig.agent.live["connections"] == 0

    run(scene())


def test_one_identity_in_two_accounts_is_two() -> None:
    other = SigningKey(account_sid="AC" + "2" * 32, secret="o" * 32)
    other_key = "SK" + "2" * 32

    async def scene() -> None:
        rig = Rig(keys={other_key: other}, scope=scoped)
        own = rig.browser(token(now=rig.now))
        assert [device.device_id for device in rig.agent.devices(scoped(SIGNING.account_sid, "alice"))] == [
            own.connection.connection_id
        ]
        assert rig.agent.devices(scoped(other.account_sid, "alice")) == []
        rig.browser(make_token(key_sid=other_key, key=other, identity="alice", now=rig.now))
        assert len(rig.agent.devices(scoped(SIGNING.account_sid, "alice"))) == 1
        assert len(rig.agent.devices(scoped(other.account_sid, "alice"))) == 1
        own.connection.lost()
        assert rig.agent.devices(scoped(SIGNING.account_sid, "alice")) == []
        assert len(rig.agent.devices(scoped(other.account_sid, "alice"))) == 1

    run(scene())
