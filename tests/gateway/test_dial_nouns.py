"""Whom the nouns of a <Dial> stand for: SIP parties with several ways to them, SIMs, what cannot be dialled."""

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from gateway.config import ConfigurationError
from gateway.twiml.model import SipUri
from gateway.twiml.problems import Position
from gateway.webhooks.guard import permits
from signaling.leg import HangupCause
from signaling.location import ClientTarget, SipTarget
from signaling.weight import by_weight
from tests.gateway.peers import Scene
from tests.virtual_time import run

Story = Callable[[Scene], Awaitable[None]]
THREE_WAYS = (
    '<Sip>sip:a@example.com<Uri priority="2">sip:c@example.com</Uri>'
    '<Uri priority="1" username="u" password="p">sip:b@example.com?X-Way=b</Uri>'
    '<Headers><Header name="X-Party" value="7"/></Headers></Sip>'
)
SIM_SID = "DE" + "1" * 32


def played(dial: str, story: Story | None = None, **more: Any) -> Scene:
    scene = Scene({"/voice": f"<Response>{dial}</Response>", "/after": "<Response><Hangup/></Response>"}, **more)
    run(scene.run(story))
    scene.assert_nothing_lives()
    return scene


def test_sip_next_uri_is_dialled_when_one_cannot_be_reached() -> None:
    async def story(scene: Scene) -> None:
        (await scene.leg("sip:a@example.com")).hangs_up(HangupCause.UNREACHABLE)
        (await scene.leg("sip:b@example.com")).hangs_up(HangupCause.FAILED, sip_status=500)
        last = await scene.leg("sip:c@example.com")
        last.picks_up()
        await asyncio.sleep(4)
        assert scene.caller.media.hears is last.media
        last.hangs_up(HangupCause.MEDIA_TIMEOUT)

    scene = played(f'<Dial action="/after">{THREE_WAYS}</Dial>', story)
    assert [target.uri for target in scene.targets if isinstance(target, SipTarget)] == [
        "sip:a@example.com",
        "sip:b@example.com",
        "sip:c@example.com",
    ]
    second = scene.targets[1]
    assert isinstance(second, SipTarget) and (second.username, second.password) == ("u", "p")
    sent = [dict(leg.request.headers) for leg in scene.dialled if leg.request is not None]
    assert sent == [{"X-Party": "7"}, {"X-Way": "b", "X-Party": "7"}, {"X-Party": "7"}]
    assert (scene.last_request["DialCallStatus"], scene.last_request["DialSipResponseCode"]) == ("completed", "200")
    assert len({leg.request.call_sid for leg in scene.dialled if leg.request is not None}) == 1, "one child call"
    assert len(scene.leg_records()) == 4


@pytest.mark.parametrize(
    ("cause", "status"),
    [(HangupCause.BUSY, "busy"), (HangupCause.DECLINED, "busy"), (HangupCause.NO_ANSWER, "no-answer")],
)
def test_sip_next_uri_is_not_dialled_when_the_party_was_asked(cause: HangupCause, status: str) -> None:
    async def story(scene: Scene) -> None:
        (await scene.any_leg()).hangs_up(cause)

    scene = played(f'<Dial action="/after">{THREE_WAYS}</Dial>', story)
    assert len(scene.dialled) == 1
    assert scene.last_request["DialCallStatus"] == status


def test_sip_all_uris_share_the_timeout_and_none_follows_it() -> None:
    async def story(scene: Scene) -> None:
        (await scene.leg("sip:a@example.com")).hangs_up(HangupCause.UNREACHABLE)
        second = await scene.leg("sip:b@example.com")
        second.rings()
        await asyncio.sleep(16)
        assert second.hung_up_with is HangupCause.CANCELED

    scene = played(f'<Dial timeout="10" action="/after">{THREE_WAYS}</Dial>', story)
    assert len(scene.dialled) == 2
    assert scene.last_request["DialCallStatus"] == "no-answer"


def test_sip_last_uri_failing_is_the_end() -> None:
    async def story(scene: Scene) -> None:
        for name in "abc":
            (await scene.leg(f"sip:{name}@example.com")).hangs_up(HangupCause.UNREACHABLE, sip_status=503)

    scene = played(f'<Dial action="/after">{THREE_WAYS}</Dial>', story)
    assert (scene.last_request["DialCallStatus"], scene.last_request["DialSipResponseCode"]) == ("failed", "503")


def test_sip_ways_of_one_priority_are_taken_by_weight() -> None:
    nowhere = Position(1, 1)
    weights = {"light": 1, "heavy": 9}
    ways = [SipUri(position=nowhere, uri=name, priority=1, weight=weight) for name, weight in weights.items()]
    last = SipUri(position=nowhere, uri="last", priority=2, weight=1000)
    chance = random.Random(1)
    orders = [[way.uri for way in by_weight([last, *ways], chance)] for _ in range(1000)]
    first = Counter(order[0] for order in orders)
    assert {order[2] for order in orders} == {"last"}
    assert 0.75 < first["heavy"] / 1000 < 0.9


def test_sim_is_dialled_where_the_configuration_says() -> None:
    async def story(scene: Scene) -> None:
        leg = await scene.any_leg()
        leg.picks_up()
        await asyncio.sleep(1)
        leg.hangs_up()

    sims = f'[{{"sid": "{SIM_SID}", "uri": "sip:sim@10.0.0.9"}}]'
    scene = played(f'<Dial action="/after"><Sim>{SIM_SID}</Sim></Dial>', story, settings={"RINGFORK_SIMS": sims})
    assert scene.targets == [SipTarget(uri="sip:sim@10.0.0.9", is_configured=True)]
    assert scene.last_request["DialCallStatus"] == "completed"
    assert scene.record(scene.last_request["DialCallSid"]).to == f"sim:{SIM_SID}"


@pytest.mark.parametrize("noun", [f"<Sim>{SIM_SID}</Sim>", "<WhatsApp>+15550123</WhatsApp>"])
def test_noun_that_cannot_be_dialled_fails_and_is_told(noun: str) -> None:
    scene = played(f'<Dial action="/after">{noun}</Dial>')
    assert scene.codes() == [13215]
    assert (scene.last_request["DialCallStatus"], scene.last_request["DialBridged"]) == ("failed", "false")


def test_number_the_account_may_not_call_fails_and_is_told() -> None:
    settings = {"RINGFORK_ACCOUNT__ALLOWED_PREFIXES": '["+46"]'}
    scene = played('<Dial action="/after" callerId="+15550100">+15550123</Dial>', settings=settings)
    assert scene.codes() == [13227] and not scene.dialled
    assert (scene.last_request["DialCallStatus"], scene.last_request["DialBridged"]) == ("failed", "false")


def test_whatsapp_tells_its_status_callback() -> None:
    noun = '<WhatsApp statusCallback="/events" statusCallbackEvent="initiated completed">+15550123</WhatsApp>'
    told = played(f"<Dial>{noun}</Dial>").owed("/events")
    assert [(one["CallStatus"], one["To"]) for one in told] == [
        ("initiated", "whatsapp:+15550123"),
        ("failed", "whatsapp:+15550123"),
    ]


def test_other_nouns_ring_beside_one_that_cannot_be_dialled() -> None:
    async def story(scene: Scene) -> None:
        leg = await scene.leg("bob-0")
        leg.picks_up()
        await asyncio.sleep(1)
        leg.hangs_up()

    scene = played('<Dial action="/after"><WhatsApp>+15550123</WhatsApp><Client>bob</Client></Dial>', story)
    assert scene.last_request["DialCallStatus"] == "completed"


@pytest.mark.parametrize(
    ("address", "is_permitted"),
    [
        ("8.8.8.8", True),
        ("127.0.0.1", False),
        ("::ffff:127.0.0.1", False),
        ("10.1.2.3", True),
        ("10.2.0.0", False),
        ("192.168.1.1", False),
        ("100.64.0.1", False),
        ("169.254.169.254", False),
        ("0.0.0.0", False),
        ("fd00::1", False),
        ("not-an-address", False),
    ],
)
def test_sip_addresses_that_are_not_public_are_permitted_by_the_operator_only(address: str, is_permitted: bool) -> None:
    assert permits(["10.1.0.0/16"])(address) is is_permitted


def test_configuration_sims_have_each_sid_once() -> None:
    sims = f'[{{"sid": "{SIM_SID}", "uri": "sip:a@b"}}, {{"sid": "{SIM_SID}", "uri": "sip:c@d"}}]'
    with pytest.raises(ConfigurationError, match=r"sims\[1\].sid"):
        Scene({}, settings={"RINGFORK_SIMS": sims})


@pytest.mark.parametrize(
    ("uri", "is_ours"),
    [
        ("sip:alice@voice.example.com", True),
        ("sip:al%20ice@Voice.Example.com;transport=tcp", True),
        ("sip:alice@voice.example.com:5090", False),
        ("sip:alice@example.com", False),
        ("sip:voice.example.com", False),
    ],
)
def test_sip_user_of_our_own_domain_is_who_registered_here(uri: str, is_ours: bool) -> None:
    async def story(scene: Scene) -> None:
        (await scene.any_leg()).hangs_up(HangupCause.BUSY)

    scene = played(f"<Dial><Sip>{uri}</Sip></Dial>", story, settings={"RINGFORK_SIP__DOMAIN": "voice.example.com"})
    name = "al ice" if "%20" in uri else "alice"
    assert scene.targets == [ClientTarget(name) if is_ours else SipTarget(uri=uri)]


def test_headers_behind_a_number_go_into_its_invite() -> None:
    async def story(scene: Scene) -> None:
        (await scene.any_leg()).hangs_up(HangupCause.BUSY)

    scene = played('<Dial callerId="+15550100"><Number>+15550123?X-A=1&amp;Via=no</Number></Dial>', story)
    request = scene.dialled[0].request
    assert request is not None and dict(request.headers) == {"X-A": "1"}
