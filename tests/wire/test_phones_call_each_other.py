"""Two registered phones and no application at all: they call each other by name."""

import asyncio

import pytest

from signaling.endpoints.commands import DigitMethod
from signaling.endpoints.options import Incoming
from signaling.endpoints.process import PhoneError
from signaling.endpoints.servers import Transport
from tests.wire.harness_gateway import Phones, heard_by

pytestmark = pytest.mark.wire

ALICE_HZ, BOB_HZ = 600, 1000


async def test_call_between_two_phones_carries_each_ones_voice_to_the_other(plain_phones: Phones) -> None:
    alice = await plain_phones("alice", play=f"tone:{ALICE_HZ}")
    bob = await plain_phones("bob", play=f"tone:{BOB_HZ}")
    await alice.dial("bob")
    incoming = await bob.wait("incoming")
    assert "alice" in incoming["from"]
    await bob.wait("ringing")
    assert (await alice.wait("ringing"))["code"] == 180
    assert not alice.seen("answered")
    bob.answer()
    assert (await alice.wait("answered"))["codec"] == "PCMU"
    await bob.wait("answered")
    await asyncio.sleep(1.5)
    statistics = await alice.statistics()
    assert statistics["lost"] == 0
    alice.hangup()
    ended = await bob.wait("ended")
    assert (ended["by"], ended["cause"]) == ("remote", "normal")
    by_alice, by_bob = await heard_by(alice), await heard_by(bob)
    assert by_alice.part(-1.0).has(BOB_HZ) and by_alice.part(-1.0).lacks(ALICE_HZ)
    assert by_bob.part(-1.0).has(ALICE_HZ) and by_bob.part(-1.0).lacks(BOB_HZ)


async def test_call_is_over_for_the_caller_when_the_callee_hangs_up(plain_phones: Phones) -> None:
    alice, bob = await plain_phones("alice"), await plain_phones("bob", incoming=Incoming.ANSWER)
    await alice.dial("bob")
    await alice.wait("answered")
    await bob.wait("answered")
    bob.hangup()
    ended = await alice.wait("ended")
    assert (ended["by"], ended["answered"]) == ("remote", True)


async def test_call_that_is_given_up_while_it_rings_stops_the_other_phone(plain_phones: Phones) -> None:
    alice, bob = await plain_phones("alice"), await plain_phones("bob")
    await alice.dial("bob")
    await alice.wait("ringing")
    alice.hangup()
    ended = await bob.wait("ended")
    assert (ended["cause"], ended["code"]) == ("canceled", 487)
    assert (await alice.wait("ended"))["code"] == 487


@pytest.mark.parametrize(("code", "cause"), [(486, "busy"), (603, "busy")])
async def test_call_that_is_refused_tells_the_caller_why(plain_phones: Phones, code: int, cause: str) -> None:
    alice = await plain_phones("alice")
    bob = await plain_phones("bob", incoming=Incoming.REJECT, reject_code=code)
    await alice.dial("bob")
    assert (await alice.wait("ended"))["cause"] == cause
    await bob.wait("ended")


async def test_call_to_nobody_is_refused(plain_phones: Phones) -> None:
    alice = await plain_phones("alice")
    await alice.dial("nobody")
    ended = await alice.wait("ended")
    assert ended["answered"] is False and ended["code"] in (404, 480)


async def test_call_reaches_every_phone_of_an_identity_and_one_gets_it(plain_phones: Phones) -> None:
    alice = await plain_phones("alice")
    desk, mobile = await plain_phones("bob"), await plain_phones("bob")
    await alice.dial("bob")
    await desk.wait("ringing")
    await mobile.wait("ringing")
    mobile.answer()
    await alice.wait("answered")
    ended = await desk.wait("ended")
    assert (ended["code"], ended["answered"]) == (487, False)
    alice.hangup()
    await mobile.wait("ended")


async def test_hold_silences_the_other_phone_and_resume_brings_the_voice_back(plain_phones: Phones) -> None:
    alice = await plain_phones("alice", play=f"tone:{ALICE_HZ}")
    bob = await plain_phones("bob", incoming=Incoming.ANSWER, play=f"tone:{BOB_HZ}")
    await alice.dial("bob")
    await alice.wait("answered")
    answered = await bob.wait("answered")
    await asyncio.sleep(0.6)
    alice.hold()
    held = await alice.wait("held")
    await asyncio.sleep(1.0)
    alice.resume()
    resumed = await alice.wait("resumed")
    await asyncio.sleep(1.0)
    bob.hangup()
    await alice.wait("ended")
    by_bob = await heard_by(bob)
    held_s, resumed_s = held.t - answered.t, resumed.t - answered.t
    assert by_bob.part(0.3, held_s - 0.1).has(ALICE_HZ)
    assert by_bob.part(held_s + 0.4, resumed_s - 0.1).lacks(ALICE_HZ)
    assert by_bob.part(-0.5).has(ALICE_HZ)
    by_alice = await heard_by(alice)
    assert by_alice.part(-0.5).has(BOB_HZ)


@pytest.mark.parametrize("method", list(DigitMethod))
async def test_digits_of_one_phone_reach_the_other(plain_phones: Phones, method: DigitMethod) -> None:
    alice, bob = await plain_phones("alice"), await plain_phones("bob", incoming=Incoming.ANSWER)
    await alice.dial("bob")
    await alice.wait("answered")
    await bob.wait("answered")
    alice.digits("12#", method=method)
    assert [(await bob.wait("digit"))["digit"] for _ in range(3)] == ["1", "2", "#"]
    bob.digits("*0", method=method)
    assert [(await alice.wait("digit"))["digit"] for _ in range(2)] == ["*", "0"]
    alice.hangup()
    await bob.wait("ended")


async def test_call_between_different_codecs_is_understood_on_both_sides(plain_phones: Phones) -> None:
    alice = await plain_phones("alice", play=f"tone:{ALICE_HZ}", codecs=("PCMA",))
    bob = await plain_phones("bob", incoming=Incoming.ANSWER, play=f"tone:{BOB_HZ}", codecs=("PCMU",))
    await alice.dial("bob")
    assert (await alice.wait("answered"))["codec"] == "PCMA"
    assert (await bob.wait("answered"))["codec"] == "PCMU"
    await asyncio.sleep(1.2)
    alice.hangup()
    await bob.wait("ended")
    assert (await heard_by(alice)).part(-0.8).has(BOB_HZ)
    assert (await heard_by(bob)).part(-0.8).has(ALICE_HZ)


async def test_call_between_a_tcp_and_a_udp_phone(plain_phones: Phones) -> None:
    alice = await plain_phones("alice", transport=Transport.TCP)
    bob = await plain_phones("bob", incoming=Incoming.ANSWER)
    await alice.dial("bob")
    await alice.wait("answered")
    alice.hangup()
    await bob.wait("ended")
    await bob.dial("alice")
    await alice.wait("incoming")
    alice.answer()
    await bob.wait("answered")
    bob.hangup()
    await alice.wait("ended", call=2)


async def test_phone_with_a_domain_of_its_own_and_the_daemon_as_outbound_proxy(plain_phones: Phones) -> None:
    alice = await plain_phones("alice", domain="127.0.0.1")
    bob = await plain_phones("bob", incoming=Incoming.ANSWER)
    await alice.dial("bob")
    await alice.wait("answered")
    bob.hangup()
    await alice.wait("ended")


@pytest.mark.parametrize("identity", ["alice", "stranger"])
async def test_phone_with_a_wrong_password_or_name_is_refused_alike(plain_phones: Phones, identity: str) -> None:
    # From an address of its own: wrong passwords block their source for a while.
    phone = await plain_phones(identity, is_registered=False, password="wrong", local_address="127.0.0.6")
    with pytest.raises(PhoneError, match="was not registered: (401|403)"):
        await phone.registered()


async def test_phone_that_leaves_does_not_take_the_other_phone_of_its_owner_along(plain_phones: Phones) -> None:
    alice, desk, mobile = await plain_phones("alice"), await plain_phones("bob"), await plain_phones("bob")
    await desk.close()
    assert len(desk.seen("unregistered")) == 1
    await alice.dial("bob")
    await mobile.wait("ringing")
    mobile.reject()
    await alice.wait("ended")


async def test_phone_that_leaves_can_no_longer_be_reached(plain_phones: Phones) -> None:
    alice, bob = await plain_phones("alice"), await plain_phones("bob")
    await bob.close()
    assert bob.seen("unregistered")
    await alice.dial("bob")
    assert (await alice.wait("ended"))["code"] in (404, 480)
