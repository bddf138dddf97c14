"""The verbs besides <Dial>: values, defaults, codes of bad values, and what is skipped."""

import pytest

from gateway.twiml import parse
from gateway.twiml.model import (
    Connect,
    ConversationRelay,
    Document,
    Enqueue,
    Gather,
    Hangup,
    Leave,
    Pause,
    Pay,
    Play,
    Record,
    Recording,
    Redirect,
    Refer,
    Reject,
    Room,
    Say,
    Sms,
    Start,
    Stop,
    Stream,
    Transcription,
    VirtualAgent,
)
from gateway.twiml.values import (
    Auto,
    GatherInput,
    Method,
    RecordingChannels,
    RecordingEvent,
    RecordingTrack,
    RejectReason,
    StreamTrack,
)
from tests.gateway.twiml.reading import read, verbs_of


def test_verbs_keep_document_order_and_skip_the_unknown() -> None:
    verbs, codes = verbs_of("<Pause/><Dance/><say>hi</say><Play>/a.wav</Play><!-- done --><Hangup/>")
    assert [verb.tag for verb in verbs] == ["Pause", "Play", "Hangup"]
    assert codes == [12200, 12200]


def test_empty_response_is_a_document_without_verbs() -> None:
    assert parse(b"<Response/>") == Document(verbs=())
    assert parse(b"<?xml version='1.0' encoding='UTF-8'?>\n<Response>\n</Response>\n").verbs == ()


def test_text_and_attributes_of_response_are_noted() -> None:
    document = parse(b"<Response lang='en' xml:base='/'>hello<Hangup/></Response>")
    assert [problem.code for problem in document.warnings] == [12200, 12200]
    assert len(document.verbs) == 1


def test_response_in_a_namespace_is_read_and_foreign_prefixes_are_not() -> None:
    document = parse(
        b'<Response xmlns="https://example.com/t" xmlns:x="urn:x"'
        b' xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:noNamespaceSchemaLocation="t.xsd">'
        b"<Hangup/><x:Hangup/><Pause x:length='2'/></Response>"
    )
    assert [verb.tag for verb in document.verbs] == ["Hangup", "Pause"]
    assert [problem.code for problem in document.warnings] == [12200, 12200]


def test_hangup_and_leave_take_no_attributes() -> None:
    hangup, codes = read("<Hangup reason='busy'/>", Hangup)
    assert codes == [12200]
    hangup, codes = read("<Hangup><Parameter name='a' value='b'/></Hangup>", Hangup)
    assert (hangup.parameters, codes) == ((("a", "b"),), [])
    _, codes = read("<Leave>now</Leave>", Leave)
    assert codes == [12200]


@pytest.mark.parametrize(
    ("inner", "reason", "codes"),
    [
        ("<Reject/>", RejectReason.REJECTED, []),
        ("<Reject reason='busy'/>", RejectReason.BUSY, []),
        ("<Reject reason='Busy'/>", RejectReason.REJECTED, [13810]),
    ],
)
def test_reject_reason(inner: str, reason: RejectReason, codes: list[int]) -> None:
    reject, noted = read(inner, Reject)
    assert (reject.reason, noted) == (reason, codes)


@pytest.mark.parametrize(
    ("inner", "url", "method", "codes"),
    [
        ("<Redirect>\n /next?a=1&amp;b=2 </Redirect>", "/next?a=1&b=2", Method.POST, []),
        ("<Redirect method='GET'/>", "", Method.GET, []),
        ("<Redirect method='PUT'>/next</Redirect>", "/next", Method.POST, [13710]),
        ("<Redirect>mailto:a@example.com</Redirect>", "mailto:a@example.com", Method.POST, [11100]),
    ],
)
def test_redirect(inner: str, url: str, method: Method, codes: list[int]) -> None:
    redirect, noted = read(inner, Redirect)
    assert (redirect.url, redirect.method, noted) == (url, method, codes)


@pytest.mark.parametrize(
    ("inner", "length_s", "codes"),
    [
        ("<Pause/>", 1, []),
        ("<Pause length='10'/>", 10, []),
        ("<Pause length='0'/>", 1, [13910]),
        ("<Pause length='-3'/>", 1, [13910]),
        ("<Pause length='a while'/>", 1, [13910]),
        ("<Pause length='9999999999999'/>", 86400, [13910]),
    ],
)
def test_pause_length(inner: str, length_s: int, codes: list[int]) -> None:
    pause, noted = read(inner, Pause)
    assert (pause.length_s, noted) == (length_s, codes)


@pytest.mark.parametrize(
    ("inner", "url", "digits", "loop", "codes"),
    [
        ("<Play> /ahoy.wav </Play>", "/ahoy.wav", None, 1, []),
        ("<Play loop='0'>/a.wav</Play>", "/a.wav", None, 0, []),
        ("<Play loop='1001'>/a.wav</Play>", "/a.wav", None, 1000, [13410]),
        ("<Play loop='-1'>/a.wav</Play>", "/a.wav", None, 1, [13410]),
        ("<Play digits='wW12#*AD'/>", "", "wW12#*AD", 1, []),
        ("<Play digits='1 2'>/a.wav</Play>", "/a.wav", None, 1, [13430]),
    ],
)
def test_play(inner: str, url: str, digits: str | None, loop: int, codes: list[int]) -> None:
    play, noted = read(inner, Play)
    assert (play.url, play.digits, play.loop, noted) == (url, digits, loop, codes)


@pytest.mark.parametrize(
    ("inner", "codes"),
    [
        ("<Play/>", [11100]),
        ("<Play digits='x'/>", [13430, 11100]),
        ("<Say> </Say>", [13520]),
        ("<Say><break/></Say>", [13520]),
        ("<Enqueue/>", [14204]),
        (f"<Enqueue>{'q' * 65}</Enqueue>", [14205]),
        ("<Refer/>", [12200]),
        ("<Refer><Sip>a b</Sip></Refer>", [13243, 12200]),
    ],
)
def test_verb_with_nothing_to_do_is_noted_and_skipped(inner: str, codes: list[int]) -> None:
    assert verbs_of(inner) == ((), codes)


def test_say_text_keeps_its_markup_and_gives_its_words() -> None:
    say, codes = read(
        "<Say voice='Polly.Joanna' language='en-GB' loop='2'>Hello\n <emphasis level='strong'>dear</emphasis>"
        "<break time='1s'/>caller of <sub alias='Ringfork'>RF</sub><p>Bye</p>.</Say>",
        Say,
    )
    assert (say.voice, say.language, say.loop, codes) == ("Polly.Joanna", "en-GB", 2, [])
    assert say.text == "Hello dear caller of Ringfork Bye ."
    assert [part if isinstance(part, str) else part.tag for part in say.content][1:3] == ["emphasis", "break"]


@pytest.mark.parametrize(
    ("inner", "codes"),
    [
        ("<Say loop='x'>a</Say>", [13510]),
        ("<Say voice='!'>a</Say>", [13511]),
        ("<Say language='English'>a</Say>", [13512]),
        ("<Say>a<blink>b</blink></Say>", [12200]),
        ("<Say>a<break><break/></break></Say>", [12200]),
        ("<Say>a<emphasis strength='x'>b</emphasis></Say>", [12200]),
        ("<Say>a<Play>/b.wav</Play></Say>", [12200]),
    ],
)
def test_say_bad_value_is_noted(inner: str, codes: list[int]) -> None:
    say, noted = read(inner, Say)
    assert (say.text.split()[0][0], noted) == ("a", codes)


def test_gather_attributes_prompts_and_defaults() -> None:
    gather, codes = read("<Gather/>", Gather)
    assert gather.input == {GatherInput.DTMF}
    assert (gather.timeout_s, gather.finish_on_key, gather.num_digits) == (5, "#", None)
    assert (gather.action, gather.speech_timeout_s, gather.language, codes) == (None, None, "en-US", [])
    gather, codes = read(
        "<Gather input='dtmf speech' numDigits='4' finishOnKey='' timeout='auto' hints='yes, no,,maybe'"
        " speechTimeout='auto' actionOnEmptyResult='true' action=''><Say>Code</Say><Pause length='2'/>"
        "<Play>/a.wav</Play></Gather>",
        Gather,
    )
    assert gather.input == {GatherInput.DTMF, GatherInput.SPEECH}
    assert (gather.num_digits, gather.finish_on_key, gather.action) == (4, "", "")
    assert (gather.timeout_s, gather.speech_timeout_s, gather.hints) == (Auto.AUTO, Auto.AUTO, ("yes", "no", "maybe"))
    assert [prompt.tag for prompt in gather.prompts] == ["Say", "Pause", "Play"]
    assert (gather.action_on_empty_result, codes) == (True, [])


@pytest.mark.parametrize(
    ("inner", "codes"),
    [
        ("<Gather finishOnKey='12'/>", [13310]),
        ("<Gather method='PUT'/>", [13312]),
        ("<Gather timeout='0'/>", [13313]),
        ("<Gather numDigits='0'/>", [13314]),
        ("<Gather><Dial>+15550100</Dial></Gather>", [13320]),
        ("<Gather><Play digits='1'/></Gather>", [13320]),
        ("<Gather><Say voice='!'>a</Say></Gather>", [13321]),
        ("<Gather><Say loop='x'>a</Say></Gather>", [13322]),
        ("<Gather input='voice'/>", [13326]),
        ("<Gather speechTimeout='never'/>", [13327]),
        ("<Gather maxSpeechTime='61'/>", [13328]),
        ("<Gather partialResultCallbackMethod='PUT'/>", [13329]),
        (f"<Gather hints='{'h' * 101}'/>", [13330]),
        ("<Gather language='English'/>", [13331]),
        ("<Gather bargeIn='1'/>", [13332]),
        ("<Gather profanityFilter='1'/>", [13333]),
        ("<Gather speechTimeout='auto' speechModel='phone_call'/>", [13335]),
        ("<Gather actionOnEmptyResult='1'/>", [13338]),
    ],
)
def test_gather_bad_value_is_noted(inner: str, codes: list[int]) -> None:
    gather, noted = read(inner, Gather)
    assert (gather.finish_on_key, gather.speech_timeout_s, noted) == ("#", None, codes)


def test_record_attributes_and_defaults() -> None:
    record, codes = read("<Record/>", Record)
    assert (record.timeout_s, record.finish_on_key, record.max_length_s) == (5, "1234567890*#", 3600)
    assert (record.play_beep, record.trim, record.transcribe, codes) == (True, True, False, [])
    record, codes = read(
        "<Record timeout='0' finishOnKey='' maxLength='20' transcribe='true' trim='do-not-trim'/>", Record
    )
    assert (record.timeout_s, record.finish_on_key, record.max_length_s, record.trim) == (0, "", 20, False)
    assert codes == []


@pytest.mark.parametrize(
    ("attributes", "max_length_s", "codes"),
    [
        ("transcribe='true'", 120, []),
        ("transcribe='true' maxLength='600'", 120, [13615]),
        ("maxLength='1'", 3600, [13612]),
        ("maxLength='100000'", 86400, [13612]),
    ],
)
def test_record_length(attributes: str, max_length_s: int, codes: list[int]) -> None:
    record, noted = read(f"<Record {attributes}/>", Record)
    assert (record.max_length_s, noted) == (max_length_s, codes)


@pytest.mark.parametrize(
    ("attribute", "code"),
    [
        ("method='PUT'", 13610),
        ("timeout='-1'", 13611),
        ("finishOnKey='any'", 13613),
        ("transcribe='1'", 13614),
        ("playBeep='1'", 13616),
        ("trim='1'", 13699),
        ("recordingStatusCallback='ftp://example.com/'", 13256),
        ("recordingStatusCallbackEvent='x'", 13621),
        ("transcribeCallback='ftp://example.com/'", 13257),
    ],
)
def test_record_bad_value_is_noted(attribute: str, code: int) -> None:
    _, codes = read(f"<Record {attribute}/>", Record)
    assert codes == [code]


def test_enqueue_by_name_and_by_workflow() -> None:
    enqueue, codes = read("<Enqueue waitUrl='' action='/done'> support </Enqueue>", Enqueue)
    assert (enqueue.queue, enqueue.wait_url, enqueue.action, codes) == ("support", "", "/done", [])
    enqueue, codes = read(
        "<Enqueue workflowSid='WW1'><Task priority='5' timeout='30'>{\"a\": 1}</Task></Enqueue>", Enqueue
    )
    assert enqueue.task is not None
    assert (enqueue.task.attributes, enqueue.task.priority, enqueue.task.timeout_s, codes) == ('{"a": 1}', 5, 30, [])


@pytest.mark.parametrize(
    ("attribute", "code"),
    [
        ("method='PUT'", 14201),
        ("waitUrl='ftp://example.com/'", 14202),
        ("action='ftp://example.com/'", 14203),
        ("waitUrlMethod='PUT'", 14206),
    ],
)
def test_enqueue_bad_value_is_noted(attribute: str, code: int) -> None:
    _, codes = read(f"<Enqueue {attribute}>support</Enqueue>", Enqueue)
    assert codes == [code]


def test_refer_keeps_headers_of_its_uri() -> None:
    refer, codes = read("<Refer action='/r'><Sip>sip:bob@example.com?X-A=1</Sip></Refer>", Refer)
    assert (refer.sip.uri, refer.sip.headers, refer.action, codes) == ("sip:bob@example.com", (("X-A", "1"),), "/r", [])


def test_start_and_stop_hold_what_runs_beside_the_call() -> None:
    start, codes = read(
        "<Start><Stream url='wss://example.com/audio' name='a' track='both_tracks'>"
        "<Parameter name='p' value='v'/></Stream>"
        "<Recording name='r' track='inbound' channels='mono' trim='do-not-trim' recordingStatusCallback='/r'"
        " recordingStatusCallbackEvent='in-progress'/><Transcription languageCode='de-DE'/></Start>",
        Start,
    )
    stream, recording, transcription = start.nouns
    assert isinstance(stream, Stream)
    assert (stream.url, stream.name, stream.track) == ("wss://example.com/audio", "a", StreamTrack.BOTH)
    assert stream.parameters == (("p", "v"),)
    assert isinstance(recording, Recording)
    assert (recording.track, recording.channels, recording.trim) == (
        RecordingTrack.INBOUND,
        RecordingChannels.MONO,
        False,
    )
    assert recording.recording_status_callback_events == {RecordingEvent.IN_PROGRESS}
    assert isinstance(transcription, Transcription)
    assert codes == []
    stop, codes = read("<Stop><Stream name='a'/><Recording name='r'/></Stop>", Stop)
    assert ([noun.tag for noun in stop.nouns], codes) == (["Stream", "Recording"], [])


@pytest.mark.parametrize(
    ("inner", "codes"),
    [
        ("<Start><Room>a</Room></Start>", [14300]),
        ("<Start><Stream url='https://example.com/'/></Start>", [11100]),
        ("<Start><Stream url='wss://example.com/?a=1'/></Start>", [11100]),
        ("<Start><Stream url='wss://example.com/' track='inbound'/></Start>", [12200]),
        ("<Start><Recording trim='x'/></Start>", [13699]),
    ],
)
def test_start_bad_noun_is_noted(inner: str, codes: list[int]) -> None:
    _, noted = read(inner, Start)
    assert noted == codes


def test_connect_takes_each_of_its_nouns() -> None:
    connect, codes = read(
        "<Connect action='/done'><Stream url='ws://127.0.0.1:9/'/><Room>lobby</Room>"
        "<ConversationRelay url='wss://example.com/' welcomeGreeting='Hi' dtmfDetection='true'><Language code='de-DE'/>"
        "</ConversationRelay><VirtualAgent connectorName='a'><Config name='b' value='c'/></VirtualAgent></Connect>",
        Connect,
    )
    stream, room, relay, agent = connect.nouns
    assert isinstance(room, Room)
    assert room.room == "lobby"
    assert isinstance(relay, ConversationRelay)
    assert (relay.welcome_greeting, relay.dtmf_detection, relay.languages[0].code) == ("Hi", True, "de-DE")
    assert isinstance(agent, VirtualAgent)
    assert (agent.configs, connect.action, codes) == ((("b", "c"),), "/done", [])


def test_verbs_beside_the_voice_path_are_read_too() -> None:
    pay, codes = read(
        "<Pay chargeAmount='20.45' timeout='10'><Prompt for='payment-card-number' attempt='1 2'>"
        "<Say>Card</Say></Prompt></Pay>",
        Pay,
    )
    assert (pay.charge_amount, pay.timeout_s, pay.prompts[0].for_, codes) == ("20.45", 10, "payment-card-number", [])
    sms, codes = read("<Sms to='+15550100' from='+15550101'>hello</Sms>", Sms)
    assert (sms.to, sms.from_, sms.message, codes) == ("+15550100", "+15550101", "hello", [])


@pytest.mark.parametrize(
    ("inner", "unanswered"),
    [
        ("", False),
        ("<Reject/><Hangup/>", True),
        ("<Pause/><Dial>+15550100</Dial>", True),
        ("<Redirect>/a</Redirect>", True),
        ("<Dial answerOnBridge='true'>+15550100</Dial>", True),
        ("<Dial answerOnBridge='false'>+15550100</Dial>", False),
        ("<Hangup/>", False),
        ("<Play>/a.wav</Play><Reject/>", False),
        ("<Dance/><Reject/>", True),
    ],
)
def test_first_verb_decides_whether_the_call_is_answered(inner: str, unanswered: bool) -> None:
    assert parse(f"<Response>{inner}</Response>".encode()).leaves_call_unanswered is unanswered
