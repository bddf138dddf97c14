"""What an endpoint can be asked to be; everything else is refused before a process starts."""

import pytest

from signaling.endpoints.options import Incoming, SipEndpointOptions, WebRtcEndpointOptions, options_from_json
from signaling.endpoints.servers import OptionError, ServerAddress, SignalAddress, Transport


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("sip:127.0.0.1:5070", ServerAddress("127.0.0.1", 5070, Transport.UDP)),
        ("127.0.0.1", ServerAddress("127.0.0.1", 5060, Transport.UDP)),
        ("tcp:pbx.example.com", ServerAddress("pbx.example.com", 5060, Transport.TCP)),
        ("sip:pbx.example.com;transport=tcp", ServerAddress("pbx.example.com", 5060, Transport.TCP)),
        ("sips:pbx.example.com", ServerAddress("pbx.example.com", 5061, Transport.TLS)),
        ("udp://pbx.example.com:5080", ServerAddress("pbx.example.com", 5080, Transport.UDP)),
    ],
)
def test_server_address_spelling_is_understood(text: str, expected: ServerAddress) -> None:
    assert ServerAddress.parse(text) == expected


@pytest.mark.parametrize("text", ["", "http://x", "sip:a b", "sip:host:0", "sip:host:70000", "sip:alice@host"])
def test_server_address_nonsense_is_refused(text: str) -> None:
    with pytest.raises(OptionError, match="expected"):
        ServerAddress.parse(text)


def test_options_transport_given_apart_wins_over_the_server() -> None:
    options = SipEndpointOptions(identity="alice", server="sip:127.0.0.1:5060", transport=Transport.TCP)
    assert options.chosen_transport is Transport.TCP


def test_options_identity_with_reserved_characters_is_escaped_in_every_uri() -> None:
    options = SipEndpointOptions(identity="a@b c", server="sip:127.0.0.1:5070")
    assert options.address_of_record == "sip:a%40b%20c@127.0.0.1"
    assert options.uri_of("jö@x") == "sip:j%C3%B6%40x@127.0.0.1:5070;transport=udp"


def test_options_domain_names_everybody_while_the_server_carries_it() -> None:
    options = SipEndpointOptions(identity="alice", server="sip:127.0.0.1:5070", domain="example.com")
    assert options.address_of_record == "sip:alice@example.com"
    assert options.uri_of("+15550100") == "sip:+15550100@example.com"


def test_options_survive_the_way_to_another_process() -> None:
    options = SipEndpointOptions(
        identity="alice",
        server="tcp:127.0.0.1:5070",
        password="secret",
        transport=Transport.TCP,
        incoming=Incoming.REJECT,
        reject_code=603,
        headers={"X-Name": "value"},
        play="tone:440",
        codecs=("PCMA",),
    )
    assert SipEndpointOptions.from_json(options.to_json()) == options


def test_options_password_is_not_in_the_representation() -> None:
    assert "secret" not in repr(SipEndpointOptions(identity="alice", password="secret"))


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"identity": "alice"}', '{"identity": 1, "incoming": "x"}'])
def test_options_from_anything_else_are_refused(text: str) -> None:
    with pytest.raises(OptionError):
        SipEndpointOptions.from_json(text)


@pytest.mark.parametrize(
    "wrong",
    [
        {"identity": ""},
        {"reject_code": 200},
        {"digits": "12x"},
        {"headers": {"X Name": "v"}},
        {"headers": {"X-Name": "a\r\nVia: b"}},
        {"play": "tone:20000"},
        {"play": "tone:high"},
        {"play": "/nowhere/at/all.wav"},
        {"hangup_after_s": -1.0},
        {"resume_after_s": 1.0},
        {"calls": 0},
        {"codecs": ()},
        {"dial": "bob"},
    ],
    ids=str,
)
def test_options_that_cannot_work_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(OptionError):
        SipEndpointOptions(**({"identity": "alice"} | wrong))  # type: ignore[arg-type]


def test_options_one_call_is_the_whole_life_of_an_endpoint_that_dials() -> None:
    dialling = SipEndpointOptions(identity="alice", dial="sip:bob@127.0.0.1")
    assert dialling.last_call == 1
    assert SipEndpointOptions(identity="alice").last_call is None


def test_options_second_call_is_recorded_beside_the_first() -> None:
    options = SipEndpointOptions(identity="alice", record="/tmp/heard.wav")
    assert str(options.record_path(1)) == "/tmp/heard.wav"
    assert str(options.record_path(2)) == "/tmp/heard-2.wav"


@pytest.mark.parametrize(
    ("text", "signal", "token"),
    [
        ("http://127.0.0.1:8080", "ws://127.0.0.1:8080/signal", "http://127.0.0.1:8080/token"),
        ("https://voice.example.com", "wss://voice.example.com:443/signal", "https://voice.example.com:443/token"),
        ("wss://example.com/voice/", "wss://example.com:443/voice/signal", "https://example.com:443/voice/token"),
        ("ws://[::1]:80/signal", "ws://[::1]:80/signal", "http://[::1]:80/token"),
    ],
)
def test_signal_address_spelling_is_understood(text: str, signal: str, token: str) -> None:
    address = SignalAddress.parse(text)
    assert (address.signal_url, address.token_url) == (signal, token)


@pytest.mark.parametrize(
    "text", ["", "sip:x", "127.0.0.1:8080", "http://", "http://a:b", "http://u@host", "ftp://host"]
)
def test_signal_address_nonsense_is_refused(text: str) -> None:
    with pytest.raises(OptionError, match="expected"):
        SignalAddress.parse(text)


def test_options_of_a_browser_survive_the_way_to_its_process() -> None:
    options = WebRtcEndpointOptions(
        identity="alice",
        server="http://127.0.0.1:8080",
        token="T",
        headers={"colour": "red"},
        incoming=Incoming.ANSWER,
        codecs=("opus",),
    )
    assert options_from_json(options.to_json()) == options
    assert "T" not in repr(options)


def test_options_of_the_wrong_kind_are_refused() -> None:
    browser = WebRtcEndpointOptions(identity="alice", server="http://127.0.0.1:8080")
    with pytest.raises(OptionError, match="SIP endpoint"):
        SipEndpointOptions.from_json(browser.to_json())
    with pytest.raises(OptionError, match="sip or webrtc"):
        options_from_json(browser.to_json().replace('"webrtc"', '"smoke"'))
