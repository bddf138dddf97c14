"""<Dial>: what every attribute means, and what becomes of a bad one."""

import pytest
from twilio.twiml.voice_response import Dial as WrittenDial
from twilio.twiml.voice_response import VoiceResponse

from gateway.twiml import Level, parse
from gateway.twiml.model import Client, Conference, Dial, Number, Queue
from gateway.twiml.values import RING_TONES, Method, RecordingEvent, RecordingTrack, RecordMode
from media.tones import RING_TONE_CODES
from tests.gateway.twiml.reading import nouns_of, read

DEFAULTS = {
    "action": None,
    "method": Method.POST,
    "answer_on_bridge": False,
    "caller_id": None,
    "hangup_on_star": False,
    "record": RecordMode.DO_NOT_RECORD,
    "recording_track": RecordingTrack.BOTH,
    "recording_status_callback": None,
    "recording_status_callback_method": Method.POST,
    "recording_status_callback_events": frozenset({RecordingEvent.COMPLETED}),
    "refer_url": None,
    "refer_method": Method.POST,
    "ring_tone": None,
    "sequential": False,
    "time_limit_s": 14400,
    "timeout_s": 30,
    "trim": False,
}


def test_dial_without_attributes_has_the_documented_defaults() -> None:
    dial, codes = read("<Dial>+15550100</Dial>", Dial)
    assert codes == []
    assert {name: getattr(dial, name) for name in DEFAULTS} == DEFAULTS


@pytest.mark.parametrize(
    ("attribute", "field", "value"),
    [
        ("action='/next'", "action", "/next"),
        ("action=''", "action", ""),
        ("action=' https://example.com/a?b=1&amp;c=2#rc=2 '", "action", "https://example.com/a?b=1&c=2#rc=2"),
        ("method='GET'", "method", Method.GET),
        ("answerOnBridge='true'", "answer_on_bridge", True),
        ("hangupOnStar='true'", "hangup_on_star", True),
        ("callerId='+15550100'", "caller_id", "+15550100"),
        ("callerId='(415) 555-0100'", "caller_id", "+14155550100"),
        ("callerId='client:alice'", "caller_id", "client:alice"),
        ("callerId='whatsapp:+15550100'", "caller_id", "whatsapp:+15550100"),
        ("callerId='sip:alice@example.com'", "caller_id", "sip:alice@example.com"),
        ("callerId='Front.Desk-1_a'", "caller_id", "Front.Desk-1_a"),
        ("callerId=''", "caller_id", None),
        ("record='true'", "record", RecordMode.FROM_ANSWER),
        ("record='false'", "record", RecordMode.DO_NOT_RECORD),
        *((f"record='{mode.value}'", "record", mode) for mode in RecordMode),
        *((f"recordingTrack='{track.value}'", "recording_track", track) for track in RecordingTrack),
        ("recordingStatusCallback='www.example.com'", "recording_status_callback", "www.example.com"),
        ("recordingStatusCallback=''", "recording_status_callback", None),
        ("recordingStatusCallbackMethod='GET'", "recording_status_callback_method", Method.GET),
        (
            "recordingStatusCallbackEvent='in-progress, absent'",
            "recording_status_callback_events",
            frozenset({RecordingEvent.IN_PROGRESS, RecordingEvent.ABSENT}),
        ),
        (
            "recordingStatusCallbackEvent='failed completed'",
            "recording_status_callback_events",
            frozenset({RecordingEvent.COMPLETED, RecordingEvent.ABSENT}),
        ),
        ("referUrl='/refer'", "refer_url", "/refer"),
        ("referMethod='GET'", "refer_method", Method.GET),
        *((f"ringTone='{tone}'", "ring_tone", tone) for tone in RING_TONES),
        ("sequential='true'", "sequential", True),
        ("timeLimit='60'", "time_limit_s", 60),
        ("timeLimit='86400'", "time_limit_s", 86400),
        ("timeout='5'", "timeout_s", 5),
        ("timeout=' 600 '", "timeout_s", 600),
        ("trim='trim-silence'", "trim", True),
        ("trim='do-not-trim'", "trim", False),
        ("callReason='late delivery'", "call_reason", "late delivery"),
        ("dialMusic='/music.wav'", "dial_music", "/music.wav"),
    ],
)
def test_dial_attribute_is_converted(attribute: str, field: str, value: object) -> None:
    dial, codes = read(f"<Dial {attribute}>+15550100</Dial>", Dial)
    assert (getattr(dial, field), codes) == (value, [])


@pytest.mark.parametrize(
    ("attribute", "code", "field", "instead"),
    [
        ("method='PUT'", 13210, "method", Method.POST),
        ("method='get'", 13210, "method", Method.POST),
        ("timeout='soon'", 13212, "timeout_s", 30),
        ("timeout=''", 13212, "timeout_s", 30),
        ("timeout='1.5'", 13212, "timeout_s", 30),
        ("timeout='٣٠'", 13212, "timeout_s", 30),
        ("timeout='4'", 13212, "timeout_s", 5),
        ("timeout='-1'", 13212, "timeout_s", 5),
        ("timeout='601'", 13212, "timeout_s", 600),
        (f"timeout='{'9' * 5000}'", 13212, "timeout_s", 600),
        ("hangupOnStar='yes'", 13213, "hangup_on_star", False),
        ("hangupOnStar='TRUE'", 13213, "hangup_on_star", False),
        ("callerId='Acme Inc'", 13214, "caller_id", None),
        ("callerId='client:a b'", 13214, "caller_id", None),
        ("callerId='tel:+15550100'", 13214, "caller_id", None),
        (f"callerId='{'a' * 300}'", 13248, "caller_id", None),
        ("timeLimit='0'", 13216, "time_limit_s", 14400),
        ("timeLimit='-5'", 13216, "time_limit_s", 14400),
        ("timeLimit='86401'", 13216, "time_limit_s", 86400),
        ("record='always'", 13217, "record", RecordMode.DO_NOT_RECORD),
        ("record=''", 13217, "record", RecordMode.DO_NOT_RECORD),
        ("sequential='1'", 13218, "sequential", False),
        ("answerOnBridge='on'", 13219, "answer_on_bridge", False),
        ("ringTone='xx'", 13220, "ring_tone", None),
        ("ringTone='UK'", 13220, "ring_tone", None),
        ("ringTone='us_old'", 13220, "ring_tone", None),
        ("recordingStatusCallback='http://my_host/'", 13256, "recording_status_callback", None),
        ("recordingStatusCallback='ftp://example.com/'", 13256, "recording_status_callback", None),
        (
            "recordingStatusCallbackEvent='done'",
            13621,
            "recording_status_callback_events",
            frozenset({RecordingEvent.COMPLETED}),
        ),
        (
            "recordingStatusCallbackEvent='absent done'",
            13621,
            "recording_status_callback_events",
            frozenset({RecordingEvent.ABSENT}),
        ),
        ("recordingTrack='mixed'", 13622, "recording_track", RecordingTrack.BOTH),
        ("trim='true'", 13699, "trim", False),
        ("action='gopher://example.com/'", 11100, "action", "gopher://example.com/"),
        ("recordingStatusCallbackMethod='PUT'", 12200, "recording_status_callback_method", Method.POST),
        ("referMethod='PUT'", 12200, "refer_method", Method.POST),
        ("Timeout='10'", 12200, "timeout_s", 30),
        ("colour='red'", 12200, "timeout_s", 30),
    ],
)
def test_dial_bad_attribute_is_noted_and_replaced(attribute: str, code: int, field: str, instead: object) -> None:
    dial, codes = read(f"<Dial {attribute}>+15550100</Dial>", Dial)
    assert (codes, getattr(dial, field)) == ([code], instead)


def test_dial_problem_says_level_place_expectation_and_finding() -> None:
    document = parse(b"<Response>\n  <Dial timeout='soon' recordingStatusCallbackEvent='x'>+15550100</Dial></Response>")
    first, second = document.warnings
    assert (first.line, first.column, first.code, first.level) == (2, 3, 13212, Level.WARNING)
    assert first.message == "Dial timeout: 5 to 600 s expected, found 'soon'"
    assert (second.code, second.level) == (13621, Level.ERROR)


def test_ring_tones_are_those_there_is_a_tone_for() -> None:
    assert RING_TONES == RING_TONE_CODES
    assert len(RING_TONES) == 40


@pytest.mark.parametrize(
    ("mode", "is_on", "is_dual", "from_ringing"),
    [
        (RecordMode.DO_NOT_RECORD, False, False, False),
        (RecordMode.FROM_ANSWER, True, False, False),
        (RecordMode.FROM_RINGING, True, False, True),
        (RecordMode.FROM_ANSWER_DUAL, True, True, False),
        (RecordMode.FROM_RINGING_DUAL, True, True, True),
    ],
)
def test_record_mode_says_when_and_how(mode: RecordMode, is_on: bool, is_dual: bool, from_ringing: bool) -> None:
    assert (mode.is_on, mode.is_dual, mode.from_ringing) == (is_on, is_dual, from_ringing)


def test_dial_plain_text_is_one_number() -> None:
    (number,), codes = nouns_of("\n  415-555-0100\n")
    assert isinstance(number, Number)
    assert (number.number, codes) == ("+14155550100", [])


def test_dial_text_beside_nouns_is_a_number_before_them() -> None:
    nouns, codes = nouns_of("+15550100 <Client>alice</Client>")
    assert [noun.tag for noun in nouns] == ["Number", "Client"]
    assert codes == []


def test_dial_without_anybody_has_no_nouns() -> None:
    assert nouns_of(" <!-- nobody --> ") == ((), [])


def test_dial_nouns_keep_document_order() -> None:
    nouns, _ = nouns_of(
        "<Sip>sip:b@example.com</Sip><Client>alice</Client><Number>+15550100</Number><Client>bob</Client>"
    )
    assert [noun.tag for noun in nouns] == ["Sip", "Client", "Number", "Client"]


def test_dial_unknown_child_is_noted_and_skipped() -> None:
    nouns, codes = nouns_of("<Fax>+15550100</Fax><client>alice</client><Client>bob</Client><Dial/>")
    assert [noun.tag for noun in nouns] == ["Client"]
    assert codes == [13215, 13215, 13215]


def test_dial_eleventh_noun_is_left_out() -> None:
    clients = "".join(f"<Client>c{n}</Client>" for n in range(12))
    document = parse(f"<Response><Dial>{clients}</Dial></Response>".encode())
    (dial,) = document.verbs
    assert isinstance(dial, Dial)
    assert [noun.identity for noun in dial.nouns if isinstance(noun, Client)] == [f"c{n}" for n in range(10)]
    (problem,) = document.warnings
    assert (problem.code, problem.column) == (
        13250,
        len("<Response><Dial>") + len(clients[: clients.index("<Client>c10")]) + 1,
    )


def test_dial_rooms_do_not_count_among_the_ten() -> None:
    clients = "<Client>a</Client>" * 10
    nouns, codes = nouns_of(f"<Conference>room</Conference>{clients}<Queue>support</Queue>")
    assert (len(nouns), codes) == (12, [])
    assert isinstance(nouns[0], Conference)
    assert isinstance(nouns[11], Queue)


def test_dial_conference_beside_number_is_noted() -> None:
    _, codes = nouns_of("<Number>+15550100</Number><Conference>room</Conference>")
    assert codes == [13000]


def test_dial_as_twilio_python_writes_it() -> None:
    response = VoiceResponse()
    dial = WrittenDial(
        answer_on_bridge=True, timeout=20, record="record-from-ringing-dual", ring_tone="de", caller_id="+15550100"
    )
    dial.client("alice", status_callback="/progress", status_callback_event="initiated ringing answered completed")
    dial.number("+15550101", send_digits="ww1")
    dial.sip("sip:bob@example.com", username="bob", password="secret")
    response.append(dial)
    document = parse(str(response).encode())
    assert document.warnings == ()
    (verb,) = document.verbs
    assert isinstance(verb, Dial)
    assert (verb.answer_on_bridge, verb.timeout_s, verb.ring_tone) == (True, 20, "de")
    assert (verb.record, verb.caller_id) == (RecordMode.FROM_RINGING_DUAL, "+15550100")
    assert [noun.tag for noun in verb.nouns] == ["Client", "Number", "Sip"]
