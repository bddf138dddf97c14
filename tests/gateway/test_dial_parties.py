"""Whom a <Dial> calls, what they are shown and who is told, in virtual time."""

import asyncio

import pytest

from gateway.routing import Script
from gateway.store.records import OwedCallback
from signaling.leg import HangupCause, Party
from signaling.location import BROWSER_CODECS, ClientTarget, NumberTarget, Repertoire, SipTarget
from tests.gateway.dialling import answering, played, response
from tests.gateway.peers import Scene
from tests.virtual_time import run

# callerId


@pytest.mark.parametrize(
    ("attribute", "noun", "shown"),
    [
        ("", "<Client>bob</Client>", "sip:carol@example.com"),
        ('callerId="client:desk"', "<Client>bob</Client>", "client:desk"),
        ('callerId="+15550100"', "<Number>+15550123</Number>", "+15550100"),
        ('callerId="Front_Desk-1"', "<Sip>sip:bob@example.com</Sip>", "Front_Desk-1"),
    ],
)
def test_dial_caller_id_is_what_the_callee_sees(attribute: str, noun: str, shown: str) -> None:
    scene = played(f"<Dial {attribute}>{noun}</Dial>", _refuse_first)
    request = scene.dialled[0].request
    assert request is not None and request.caller.address == shown


async def _refuse_everybody(scene: Scene) -> None:
    await scene.any_leg()
    for leg in scene.dialled:
        leg.hangs_up(HangupCause.BUSY)


async def _refuse_first(scene: Scene) -> None:
    (await scene.any_leg()).hangs_up(HangupCause.BUSY)


def test_dial_number_without_a_phone_number_to_show_fails() -> None:
    scene = played('<Dial action="/after">+15550123</Dial>', None)
    assert not scene.dialled
    assert scene.last_request["DialCallStatus"] == "failed"
    assert 13247 in scene.codes()


def test_dial_number_shows_only_numbers_of_the_account() -> None:
    settings = {"RINGFORK_NUMBERS": '[{"phone_number": "+15550100"}]'}
    scene = played('<Dial callerId="+15550199" action="/after">+15550123</Dial>', None, settings=settings)
    assert scene.last_request["DialCallStatus"] == "failed"
    assert 13247 in scene.codes()


@pytest.mark.parametrize(
    ("caller_id", "noun", "code", "shown"),
    [
        ("no number at all!", "<Sip>sip:bob@example.com</Sip>", 13214, "sip:carol@example.com"),
        ("client:desk", "<Sip>sip:bob@example.com</Sip>", 13214, "sip:carol@example.com"),
        ("Front Desk", "<Client>bob</Client>", 13214, "sip:carol@example.com"),
        ("1" * 300, "<Client>bob</Client>", 13248, "sip:carol@example.com"),
        ("x" * 300, "<Sip>sip:bob@example.com</Sip>", 13248, "sip:carol@example.com"),
    ],
)
def test_dial_caller_id_that_cannot_be_shown_is_told_and_the_caller_is(
    caller_id: str, noun: str, code: int, shown: str
) -> None:
    scene = played(f'<Dial callerId="{caller_id}">{noun}</Dial>', _refuse_first)
    request = scene.dialled[0].request
    assert request is not None and request.caller.address == shown
    assert scene.codes() == [code]


@pytest.mark.parametrize(
    ("caller", "sip", "caller_id", "is_shown"),
    [
        ("+15550142", True, None, True),
        ("+15550142", True, "+15550142", True),
        ("+15550142", True, "+15550100", True),
        ("+15550142", True, "+15550199", False),
        ("sip:carol@example.com", True, "+15550143", False),
        ("client:carol", False, None, False),
        ("client:carol", False, "+15550143", True),
        ("client:carol", False, "client:carol", False),
    ],
)
def test_dial_number_shows_what_the_account_or_the_call_may(
    caller: str, sip: bool, caller_id: str | None, is_shown: bool
) -> None:
    """The called number is +15550143, the account's own +15550100."""
    attribute = "" if caller_id is None else f'callerId="{caller_id}"'
    settings = {"RINGFORK_NUMBERS": '[{"phone_number": "+15550100"}]'}
    scene = Scene(response(f'<Dial {attribute} action="/after">+15550123</Dial>'), settings=settings)
    scene.caller.caller, scene.caller.callee = Party(address=caller), Party(address="+15550143")
    if not sip:
        scene.caller.sip = None
    run(scene.run(_refuse_first if is_shown else None))
    scene.assert_nothing_lives()
    assert bool(scene.dialled) is is_shown
    assert scene.codes() == ([] if is_shown else [13247])


def test_dial_byoc_is_told_to_be_without_effect() -> None:
    scene = played('<Dial callerId="+15550100"><Number byoc="BY1">+15550123</Number></Dial>', _refuse_first)
    assert scene.codes() == [13750]


# nouns


def test_dial_nouns_go_to_their_targets_with_headers_and_parameters() -> None:
    nouns = (
        "<Client>bob?X-A=1&amp;X-B=2</Client>"
        '<Client><Identity>ann</Identity><Parameter name="FirstName" value="Jane"/></Client>'
        '<Number>(415) 555-0123</Number><Sip username="u" password="p">sip:x@example.com?x-c=3</Sip>'
    )

    async def story(scene: Scene) -> None:
        await scene.leg("bob-0")
        for leg in scene.dialled:
            leg.hangs_up(HangupCause.BUSY)

    scene = played(f'<Dial callerId="+15550100">{nouns}</Dial>', story)
    assert scene.targets[0] == ClientTarget("bob")
    assert scene.targets[1] == ClientTarget("ann")
    assert scene.targets[2] == NumberTarget("+14155550123")
    sip = scene.targets[3]
    assert isinstance(sip, SipTarget) and (sip.username, sip.password) == ("u", "p")
    requests = [leg.request for leg in scene.dialled]
    assert requests[0] is not None and dict(requests[0].headers) == {"X-A": "1", "X-B": "2"}
    assert requests[0] is not None and dict(requests[0].parameters) == {"X-A": "1", "X-B": "2"}
    assert requests[1] is not None and dict(requests[1].parameters) == {"FirstName": "Jane"}
    assert requests[0] is not None and requests[0].codec_names[0] == "PCMA", "the caller's codec comes first"
    assert dict(sip.headers) == {"x-c": "3"}


def test_dial_callers_wideband_codec_is_offered_first_so_that_nothing_is_transcoded() -> None:
    scene = Scene(response("<Dial><Client>bob</Client></Dial>"))
    scene.caller.codec_names = scene.caller.codec_choices = ("OPUS", "PCMU")
    run(scene.run(_refuse_first))
    request = scene.dialled[0].request
    assert request is not None and request.codec_names == ("OPUS", "PCMU", "PCMA")


WIDE = ("OPUS", "G722", "PCMU")


@pytest.mark.parametrize(
    ("nouns", "codecs", "is_final", "preferred"),
    [
        ("<Client>bob</Client>", {}, True, ("PCMU",)),
        ("<Client>bob</Client>", {}, False, WIDE),
        ("<Client>bob</Client>", {"bob": BROWSER_CODECS}, True, WIDE),
        ("<Number>+15550123</Number>", {}, False, ("PCMU",)),
        ("<Client>ann</Client><Client>bob</Client>", {"ann": BROWSER_CODECS}, True, ("PCMU",)),
        ("<Sip>sip:x@example.com</Sip>", {}, True, ("PCMU",)),
    ],
)
def test_dial_caller_who_is_answered_first_gets_a_codec_that_the_dialled_speak(
    nouns: str, codecs: dict[str, Repertoire], is_final: bool, preferred: tuple[str, ...]
) -> None:
    scene = Scene(response(f'<Dial callerId="+15550100">{nouns}</Dial>'))
    scene.codecs = codecs
    scene.caller.codec_names = scene.caller.codec_choices = WIDE
    scene.caller.is_codec_final = is_final
    run(scene.run(_refuse_everybody))
    assert scene.caller.preferred == [preferred]
    assert scene.caller.answered_with == preferred, "known before the answer"


def test_dial_winners_codec_is_what_the_caller_is_asked_to_speak() -> None:
    async def story(scene: Scene) -> None:
        bob = await scene.leg("bob-0")
        bob.codec_names = ("G722",)
        bob.picks_up()
        await asyncio.sleep(1)
        assert scene.caller.preferred[-1] == ("G722",)
        scene.caller.hangs_up()

    played("<Dial answerOnBridge='true'><Client>bob</Client></Dial>", story)


def test_dial_trunk_that_may_choose_is_offered_g711_first() -> None:
    scene = Scene(response('<Dial callerId="+15550100"><Number>+15550123</Number></Dial>'))
    scene.caller.codec_names = scene.caller.codec_choices = WIDE
    run(scene.run(_refuse_everybody))
    request = scene.dialled[0].request
    assert request is not None and request.codec_names == ("PCMU", "OPUS", "G722", "PCMA")


def test_dial_status_callback_tells_each_subscribed_event_in_order() -> None:
    client = '<Client statusCallback="/events" statusCallbackEvent="initiated ringing, answered completed">bob</Client>'
    scene = played(f'<Dial record="true">{client}</Dial>', answering("bob-0", talk_s=61))
    told = scene.owed("/events")
    assert [one["CallStatus"] for one in told] == ["initiated", "ringing", "in-progress", "completed"]
    assert [one["SequenceNumber"] for one in told] == ["0", "1", "2", "3"]
    assert {one["CallbackSource"] for one in told} == {"call-progress-events"}
    assert told[0]["Timestamp"] == "Fri, 02 Jan 2026 03:04:05 +0000"
    assert {one["ParentCallSid"] for one in told} == {scene.session.facts.sid}
    assert len({one["CallSid"] for one in told}) == 1
    assert told[0]["To"] == "client:bob" and told[0]["Direction"] == "outbound-dial"
    assert (told[-1]["CallDuration"], told[-1]["Duration"]) == ("61", "2")
    assert told[-1]["RecordingDuration"] == "7" and "RecordingUrl" in told[-1] and "RecordingSid" in told[-1]
    assert told[-1]["SipResponseCode"] == "200"
    assert all("CallDuration" not in one and "RecordingUrl" not in one for one in told[:-1])


def test_dial_status_callback_default_is_completed_with_the_counted_number() -> None:
    scene = played('<Dial><Client statusCallback="/events">bob</Client></Dial>', answering("bob-0"))
    (told,) = scene.owed("/events")
    assert (told["CallStatus"], told["SequenceNumber"]) == ("completed", "3")


def test_dial_status_callback_of_a_loser_says_canceled() -> None:
    nouns = '<Client statusCallback="/events">ann</Client><Client>bob</Client>'
    scene = played(f"<Dial>{nouns}</Dial>", answering("bob-0"))
    (told,) = scene.owed("/events")
    assert told["CallStatus"] == "canceled"
    assert told["CallDuration"] == "0"


def test_dial_status_callback_method_is_used() -> None:
    scene = played(
        '<Dial><Client statusCallback="/events" statusCallbackMethod="GET">bob</Client></Dial>', answering("bob-0")
    )
    owed = [one for one in scene.written if getattr(one, "url", "") and getattr(one, "method", "") == "GET"]
    assert len(owed) == 1


def test_dial_client_notification_url_is_posted_when_dialling_starts() -> None:
    scene = played('<Dial><Client clientNotificationUrl="/push">bob</Client></Dial>', answering("bob-0"))
    (told,) = scene.owed("/push")
    assert told["To"] == "client:bob"
    assert told["CallStatus"] == "initiated"
    assert [each.call_sid for each in scene.written if isinstance(each, OwedCallback) and each.is_notification]


def test_dial_sip_tells_call_id_and_final_status() -> None:
    async def story(scene: Scene) -> None:
        leg = await scene.leg("sip:x@example.com")
        leg.hangs_up(HangupCause.BUSY, sip_status=486)

    scene = played('<Dial action="/after"><Sip>sip:x@example.com</Sip></Dial>', story)
    assert scene.last_request["DialSipCallId"] == "sip:x@example.com@example.com"
    assert scene.last_request["DialSipResponseCode"] == "486"


def test_built_in_application_dials_what_was_asked_for() -> None:
    async def story(scene: Scene) -> None:
        leg = await scene.leg("bob-0")
        leg.rings()
        await asyncio.sleep(1)
        assert scene.caller.done == ["ring"]
        leg.picks_up()
        await asyncio.sleep(1)
        leg.hangs_up()

    scene = Scene({}, script=Script(dialled="bob"))
    run(scene.run(story))
    scene.assert_nothing_lives()
    assert scene.requests == []
    assert scene.targets == [ClientTarget("bob")]


def test_dial_child_records_tell_parent_times_and_status() -> None:
    scene = played('<Dial action="/after"><Client>bob</Client></Dial>', answering("bob-0", talk_s=9))
    child = scene.record(scene.last_request["DialCallSid"])
    assert child.parent_call_sid == scene.session.facts.sid
    assert (child.status, child.duration_s, child.to, child.sip_status) == ("completed", 9, "client:bob", 200)
    parent = scene.record(scene.session.facts.sid)
    assert parent.status == "completed" and parent.end_time is not None


def test_dial_leg_records_tell_cause_codec_and_sound_of_those_who_talked() -> None:
    scene = played("<Dial><Client>ann</Client><Client>bob</Client></Dial>", answering("bob-0"))
    records = {record.leg_id: record for record in scene.leg_records()}
    assert records.keys() == {"caller", "ann-0", "bob-0"}
    assert records["ann-0"].cause == "answered-elsewhere" and not records["ann-0"].statistics
    assert records["bob-0"].cause == "normal" and records["bob-0"].codec == "PCMA"
    assert records["bob-0"].statistics["packets_received"] == 50
    assert records["caller"].statistics["packets_received"] == 50 and records["caller"].answered_at is not None
