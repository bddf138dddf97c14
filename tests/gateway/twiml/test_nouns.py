"""Nouns of <Dial>: numbers, identities, parameters, callbacks, rooms."""

import pytest

from gateway.twiml import Level, parse
from gateway.twiml.addresses import BadAddress, check_identity, clean_number
from gateway.twiml.model import (
    Application,
    Client,
    Conference,
    Dial,
    MachineDetection,
    Number,
    Queue,
    Sim,
    StatusCallback,
    Video,
    WhatsApp,
)
from gateway.twiml.values import Beep, CallEvent, ConferenceEvent, MachineDetectionMode, Method
from tests.gateway.twiml.reading import nouns_of, read_noun


@pytest.mark.parametrize(
    ("written", "number"),
    [
        ("+15550100", "+15550100"),
        ("+44 20 7946 0000", "+442079460000"),
        ("(415) 555-0100", "+14155550100"),
        ("415.555.0100", "+14155550100"),
        ("415\u2011555\u20110100", "+14155550100"),
        ("1-415-555-0100", "+14155550100"),
        ("100", "100"),
        ("0301234567", "0301234567"),
        ("115-555-0100", "1155550100"),
        ("00442079460000", "00442079460000"),
    ],
)
def test_number_is_cleaned(written: str, number: str) -> None:
    assert clean_number(written) == number


@pytest.mark.parametrize("written", ["", "+", "alice", "++15550100", "+1555010012345678", "1" * 33, "5550100;x", "٤١٥"])
def test_number_of_bad_format_is_refused(written: str) -> None:
    with pytest.raises(BadAddress):
        clean_number(written)


def test_number_of_bad_format_is_noted_and_left_out() -> None:
    assert nouns_of("<Number>alice</Number>") == ((), [13223])
    assert nouns_of("<Number/>") == ((), [13223])


def test_number_attributes_are_converted() -> None:
    number, codes = read_noun(
        "<Number sendDigits='wwW1*#' url='/whisper' method='GET' byoc='BY1'"
        " machineDetection='DetectMessageEnd' machineDetectionTimeout='99' amdStatusCallback='/amd'"
        " amdStatusCallbackMethod='GET'>+15550100?X-A=1&amp;B=2</Number>",
        Number,
    )
    assert codes == [12200]  # the time-out of 99 s
    assert (number.number, number.send_digits, number.url, number.method) == (
        "+15550100",
        "wwW1*#",
        "/whisper",
        Method.GET,
    )
    assert number.headers == (("X-A", "1"),)
    assert number.machine_detection == MachineDetection(
        mode=MachineDetectionMode.DETECT_MESSAGE_END, timeout_s=60, callback="/amd", callback_method=Method.GET
    )
    assert number.status is None


@pytest.mark.parametrize(
    ("attribute", "code"),
    [
        ("method='PUT'", 13221),
        ("sendDigits='1,2'", 13222),
        ("machineDetection='enable'", 12200),
        ("url='file:///etc/passwd'", 11100),
        ("statusCallback='http://my_host/a'", 11100),
        ("statusCallback='http:///a'", 11100),
        ("statusCallbackMethod='PUT'", 12200),
        ("statusCallbackEvent='queued'", 12200),
        ("muted='true'", 12200),
    ],
)
def test_number_bad_attribute_is_noted(attribute: str, code: int) -> None:
    number, codes = read_noun(f"<Number {attribute}>+15550100</Number>", Number)
    assert codes == [code]
    assert (number.send_digits, number.status, number.machine_detection) == (None, None, None)


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ("initiated ringing answered completed", set(CallEvent)),
        ("initiated,ringing,answered,completed", set(CallEvent)),
        (" ringing , answered\n", {CallEvent.RINGING, CallEvent.ANSWERED}),
        ("ringing ringing", {CallEvent.RINGING}),
    ],
)
def test_status_callback_events_by_blank_and_by_comma(events: str, expected: set[CallEvent]) -> None:
    client, codes = read_noun(f"<Client statusCallback='/s' statusCallbackEvent='{events}'>alice</Client>", Client)
    assert client.status == StatusCallback(url="/s", method=Method.POST, events=frozenset(expected))
    assert codes == []


def test_status_callback_without_list_is_told_of_completed_only() -> None:
    client, _ = read_noun("<Client statusCallback='/s' statusCallbackMethod='GET'>alice</Client>", Client)
    assert client.status == StatusCallback(url="/s", method=Method.GET, events=frozenset({CallEvent.COMPLETED}))


def test_status_callback_unknown_event_is_left_out() -> None:
    client, codes = read_noun("<Client statusCallback='/s' statusCallbackEvent='ringing lost'>alice</Client>", Client)
    assert client.status is not None
    assert (client.status.events, codes) == (frozenset({CallEvent.RINGING}), [12200])


@pytest.mark.parametrize("attributes", ["statusCallbackEvent='ringing'", "statusCallback=''"])
def test_status_callback_without_url_is_none(attributes: str) -> None:
    client, codes = read_noun(f"<Client {attributes}>alice</Client>", Client)
    assert (client.status, codes) == (None, [])


def test_client_identity_is_trimmed_text() -> None:
    client, codes = read_noun("<Client>\n   joey\n </Client>", Client)
    assert (client.identity, codes) == ("joey", [])


def test_client_with_children_has_identity_and_parameters() -> None:
    client, codes = read_noun(
        "<Client><Identity> user_jane </Identity>"
        "<Parameter name='FirstName' value ='Jane'/><Parameter name='LastName' value=' Doe' /></Client>",
        Client,
    )
    assert (client.identity, codes) == ("user_jane", [])
    assert client.parameters == (("FirstName", "Jane"), ("LastName", " Doe"))


def test_client_text_with_parameters_is_the_identity() -> None:
    client, codes = read_noun("<Client>jane\n<Parameter name='a' value='b'/>\n</Client>", Client)
    assert (client.identity, client.parameters, codes) == ("jane", (("a", "b"),), [])


def test_client_parameter_without_name_is_left_out() -> None:
    client, codes = read_noun("<Client>jane<Parameter value='b'/></Client>", Client)
    assert (client.parameters, codes) == ((), [12200])


def test_client_named_with_video_child() -> None:
    client, codes = read_noun("<Client name='alice'>\n<Video enable='true'></Video>\n</Client>", Client)
    assert (client.identity, client.name, codes) == ("alice", "alice", [])
    assert isinstance(client.video, Video)
    assert client.video.enable is True


@pytest.mark.parametrize(
    ("inner", "identity"),
    [
        ("<Client name='a'>b<Identity>c</Identity></Client>", "c"),
        ("<Client name='a'>b</Client>", "b"),
        ("<Client name='a'><Identity/></Client>", "a"),
    ],
)
def test_client_identity_element_counts_before_text_before_name(inner: str, identity: str) -> None:
    client, _ = read_noun(inner, Client)
    assert client.identity == identity


def test_client_query_gives_headers_and_parameters() -> None:
    client, codes = read_noun(
        "<Client>alice?X-Custom-Header1=12%2034&amp;mood=good?&amp;X-Plus=+1<Parameter name='a' value='b'/></Client>",
        Client,
    )
    assert (client.identity, codes) == ("alice", [])
    assert client.headers == (("X-Custom-Header1", "12 34"), ("X-Plus", "+1"))
    assert client.parameters == (("X-Custom-Header1", "12 34"), ("mood", "good?"), ("X-Plus", "+1"), ("a", "b"))


@pytest.mark.parametrize("value", ["a%0d%0aVia: x", "a%00", "a%1b[31m", "a%c2%85b"])
def test_client_query_cannot_break_a_header_line(value: str) -> None:
    client, codes = read_noun(f"<Client>alice?X-A={value}&amp;X-B=1</Client>", Client)
    assert client.headers == (("X-B", "1"),)
    assert client.parameters == (("X-B", "1"),)
    assert codes == [13252]


def test_client_query_too_long_is_left_out() -> None:
    client, codes = read_noun(f"<Client>alice?X-A={'1' * 1100}</Client>", Client)
    assert (client.identity, client.headers, codes) == ("alice", (), [13253])


@pytest.mark.parametrize("identity", ["alice", "user_1", "A" * 256])
def test_identity_of_letters_digits_underscore_is_plain(identity: str) -> None:
    assert check_identity(identity) is True


@pytest.mark.parametrize("identity", ["alice@example.com", "jane.doe", "jürgen", "a-b", "a+b", "a:b", "a/b"])
def test_identity_that_some_sdks_do_not_take_is_noted_and_dialled(identity: str) -> None:
    document = parse(f"<Response><Dial><Client>{identity}</Client></Dial></Response>".encode())
    assert [(problem.code, problem.level) for problem in document.warnings] == [(31105, Level.WARNING)]
    client, _ = read_noun(f"<Client>{identity}</Client>", Client)
    assert client.identity == identity


@pytest.mark.parametrize(
    "identity", ["", "a b", "a&#9;b", "a%b", "a#b", "a|b", "a[b", "a`b", 'a"b', "a&lt;b", "a" * 257]
)
def test_identity_that_cannot_be_is_noted_and_left_out(identity: str) -> None:
    document = parse(f"<Response><Dial><Client>{identity}</Client></Dial></Response>".encode())
    assert [(problem.code, problem.level) for problem in document.warnings] == [(31105, Level.ERROR)]
    assert nouns_of(f"<Client>{identity}</Client>")[0] == ()


@pytest.mark.parametrize(
    ("attribute", "code"),
    [
        ("clientNotificationUrl='http://my_host/push'", 13806),
        ("clientNotificationUrl='ws://example.com/'", 13806),
        ("method='HEAD'", 12200),
        ("url='http://'", 11100),
        ("sendDigits='1'", 12200),
    ],
)
def test_client_bad_attribute_is_noted(attribute: str, code: int) -> None:
    client, codes = read_noun(f"<Client {attribute}>alice</Client>", Client)
    assert (codes, client.client_notification_url) == ([code], None)


def test_client_unknown_child_is_noted() -> None:
    client, codes = read_noun("<Client>alice<parameter name='a' value='b'/></Client>", Client)
    assert (client.parameters, codes) == ((), [12200])


def test_conference_attributes_and_defaults() -> None:
    room, codes = read_noun("<Conference> Room 1 </Conference>", Conference)
    assert (room.room, room.beep, room.max_participants, room.trim, room.record) == (
        "Room 1",
        Beep.TRUE,
        250,
        True,
        False,
    )
    assert (room.wait_url, room.status, codes) == (None, None, [])
    room, codes = read_noun(
        "<Conference beep='onEnter' waitUrl='' record='record-from-start' trim='do-not-trim' statusCallback='/c'"
        " statusCallbackEvent='start join' maxParticipants='2' region='de1'>a</Conference>",
        Conference,
    )
    assert (room.beep, room.wait_url, room.record, room.trim) == (Beep.ON_ENTER, "", True, False)
    assert room.status is not None
    assert room.status.events == {ConferenceEvent.START, ConferenceEvent.JOIN}
    assert codes == []


@pytest.mark.parametrize(
    ("attribute", "code"),
    [
        ("muted='no'", 13230),
        ("endConferenceOnExit='no'", 13231),
        ("startConferenceOnEnter='no'", 13232),
        ("waitUrl='ftp://example.com/'", 13233),
        ("waitMethod='PUT'", 13234),
        ("beep='loud'", 13235),
        ("trim='true'", 13239),
        ("coach='alice'", 13240),
        ("participantLabel='a/b'", 16023),
        ("maxParticipants='251'", 12200),
    ],
)
def test_conference_bad_attribute_is_noted(attribute: str, code: int) -> None:
    _, codes = read_noun(f"<Conference {attribute}>room</Conference>", Conference)
    assert codes == [code]


@pytest.mark.parametrize(
    ("inner", "code"),
    [
        ("<Conference/>", 13237),
        (f"<Conference>{'r' * 129}</Conference>", 13237),
        ("<Queue/>", 14212),
        (f"<Queue>{'q' * 65}</Queue>", 14213),
        ("<Application/>", 12200),
        ("<Sim/>", 12200),
        ("<WhatsApp>alice</WhatsApp>", 13223),
    ],
)
def test_noun_without_usable_name_is_left_out(inner: str, code: int) -> None:
    assert nouns_of(inner) == ((), [code])


def test_queue_attributes() -> None:
    queue, codes = read_noun("<Queue url='/w' method='PUT'>support</Queue>", Queue)
    assert (queue.queue, queue.url, queue.method, codes) == ("support", "/w", Method.POST, [14210])


def test_application_by_child_and_by_text() -> None:
    application, codes = read_noun(
        "<Application copyParentTo='true'><ApplicationSid>AP1</ApplicationSid>"
        "<Parameter name='a' value='b'/></Application>",
        Application,
    )
    assert (application.application_sid, application.copy_parent_to, codes) == ("AP1", True, [])
    assert application.parameters == (("a", "b"),)
    application, _ = read_noun("<Application>AP2</Application>", Application)
    assert application.application_sid == "AP2"


def test_whatsapp_and_sim() -> None:
    whats_app, _ = read_noun("<WhatsApp>whatsapp:+15550100</WhatsApp>", WhatsApp)
    assert whats_app.number == "+15550100"
    sim, _ = read_noun("<Sim> DE1 </Sim>", Sim)
    assert sim.sim_sid == "DE1"


def test_dial_with_more_elements_than_anybody_writes_reads_the_first_hundred() -> None:
    document = parse(b"<Response><Dial>" + b"<Client>a</Client>" * 150 + b"</Dial></Response>")
    assert [problem.code for problem in document.warnings].count(12200) == 1
    (dial,) = document.verbs
    assert isinstance(dial, Dial) and len(dial.nouns) == 10
