"""Offer and answer of one audio stream. Source: RFC 3264, RFC 4733."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from media.codec import PCMA, PCMU, Codec
from signaling.leg import HangupCause
from signaling.sdp import (
    DIGIT_EVENTS,
    LocalMedia,
    MediaDirection,
    NotAcceptable,
    SdpError,
    SessionDescription,
    accept_answer,
    create_answer,
    create_offer,
    is_usable_remote,
    offered_codecs,
    parse,
    payload_formats,
    serialise,
)

BOTH = (PCMU, PCMA)
LOCAL = LocalMedia(address="198.51.100.5", port=20000, session_id=77)


def phone(*lines: str, connection: str = "c=IN IP4 192.0.2.10") -> SessionDescription:
    return parse("\n".join(("v=0", "o=- 5 9 IN IP4 192.0.2.10", "s=-", connection, "t=0 0", *lines)))


def formats(description: SessionDescription, index: int = 0) -> list[tuple[int, str]]:
    return [(found.payload_type, found.name) for found in payload_formats(description.media[index])]


def test_create_offer_writes_codecs_events_and_packet_time() -> None:
    assert serialise(create_offer(LOCAL, codecs=BOTH)).decode().split("\r\n") == [
        "v=0",
        "o=- 77 1 IN IP4 198.51.100.5",
        "s=-",
        "c=IN IP4 198.51.100.5",
        "t=0 0",
        "m=audio 20000 RTP/AVP 0 8 101",
        "a=rtpmap:0 PCMU/8000",
        "a=rtpmap:8 PCMA/8000",
        "a=rtpmap:101 telephone-event/8000",
        "a=fmtp:101 0-16",
        "a=ptime:20",
        "a=sendrecv",
        "",
    ]


def test_create_answer_takes_offerers_favourite_and_one_codec_only() -> None:
    answer, agreed = create_answer(
        phone("m=audio 4000 RTP/AVP 18 8 0 101", "a=rtpmap:101 telephone-event/8000"), LOCAL, codecs=BOTH
    )
    assert formats(answer) == [(8, "PCMA"), (101, "TELEPHONE-EVENT")]
    assert agreed.codec == PCMA
    assert (agreed.payload_type, agreed.digits_payload_type) == (8, 101)
    assert agreed.digit_events == DIGIT_EVENTS
    assert agreed.remote == ("192.0.2.10", 4000)
    assert agreed.remote_rtcp == ("192.0.2.10", 4001)
    assert agreed.send and agreed.receive and not agreed.held
    assert agreed.ptime_ms == 20


def test_create_answer_prefers_the_bridged_partys_codec_where_offered() -> None:
    offer = phone("m=audio 4000 RTP/AVP 0 8")
    assert create_answer(offer, LOCAL, codecs=BOTH, preferred=PCMA)[1].codec == PCMA
    only_pcmu = phone("m=audio 4000 RTP/AVP 0")
    assert create_answer(only_pcmu, LOCAL, codecs=BOTH, preferred=PCMA)[1].codec == PCMU


def test_create_answer_without_telephone_event_agrees_to_none() -> None:
    answer, agreed = create_answer(phone("m=audio 4000 RTP/AVP 0"), LOCAL, codecs=BOTH)
    assert formats(answer) == [(0, "PCMU")]
    assert agreed.digits_payload_type is None
    assert agreed.digit_events == frozenset()


def test_create_answer_takes_dynamic_numbers_from_the_offer() -> None:
    offer = phone(
        "m=audio 4000 RTP/AVP 97 98 99 100",
        "a=rtpmap:97 pcma/8000/1",
        "a=rtpmap:98 telephone-event/48000",
        "a=rtpmap:99 Telephone-Event/8000",
        "a=fmtp:99 0-9,11, 16",
    )
    answer, agreed = create_answer(offer, LOCAL, codecs=BOTH)
    assert formats(answer) == [(97, "PCMA"), (99, "TELEPHONE-EVENT")]
    assert (agreed.payload_type, agreed.receive_payload_type) == (97, 97)
    assert agreed.digits_payload_type == 99
    assert agreed.digit_events == frozenset({*range(10), 11, 16})


def test_create_answer_static_number_mapped_to_something_else_is_not_taken() -> None:
    with pytest.raises(NotAcceptable, match="no codec of ours"):
        create_answer(phone("m=audio 4000 RTP/AVP 0", "a=rtpmap:0 opus/48000/2"), LOCAL, codecs=BOTH)


def test_create_answer_takes_first_usable_of_several_lines_and_refuses_the_rest() -> None:
    offer = phone(
        "m=video 6000 RTP/AVP 31",
        "m=audio 4000 RTP/SAVP 0",
        "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:abc",
        "m=audio 0 RTP/AVP 0",
        "m=audio 4004 RTP/AVP 9",
        "m=audio 4006 RTP/AVP 0",
        "c=IN IP4 192.0.2.99",
        "m=audio 4008 RTP/AVP 0",
    )
    answer, agreed = create_answer(offer, LOCAL, codecs=BOTH)
    assert [(line.kind, line.port, line.protocol) for line in answer.media] == [
        ("video", 0, "RTP/AVP"),
        ("audio", 0, "RTP/SAVP"),
        ("audio", 0, "RTP/AVP"),
        ("audio", 0, "RTP/AVP"),
        ("audio", 20000, "RTP/AVP"),
        ("audio", 0, "RTP/AVP"),
    ]
    assert agreed.remote == ("192.0.2.99", 4006)
    assert offered_codecs(offer, BOTH) == (PCMU,)


@pytest.mark.parametrize(
    ("offer", "reason"),
    [
        pytest.param(phone(), "no media lines", id="no-media"),
        pytest.param(phone("m=video 4000 RTP/AVP 31"), "not audio", id="video-only"),
        pytest.param(phone("m=audio 0 RTP/AVP 0"), "port 0", id="port-0"),
        pytest.param(phone("m=audio 4000 RTP/SAVP 0"), "no a=crypto that is supported", id="savp-without-keys"),
        pytest.param(phone("m=audio 9 UDP/TLS/RTP/SAVPF 111"), "by DTLS is not supported", id="browser"),
        pytest.param(phone("m=audio 4000 TCP/MRCPv2 1"), "unknown transport", id="profile"),
        pytest.param(phone("m=audio 4000 RTP/AVP 18 9"), "no codec of ours among 18 9", id="codecs"),
        pytest.param(phone("m=audio 4000 RTP/AVP x 128"), "no codec of ours", id="formats-not-numbers"),
        pytest.param(phone("m=audio 4000 RTP/AVP 0", connection="c=IN IP6 2001:db8::1"), "only IP4", id="ip6"),
        pytest.param(
            phone("m=audio 4000 RTP/AVP 0", connection="c=IN IP4 host.example.com"), "IPv4 address", id="name"
        ),
        pytest.param(phone("m=audio 4000 RTP/AVP 0", connection="c=IN IP4 224.2.36.42/127"), "IPv4 address", id="ttl"),
        pytest.param(phone("m=audio 4000 RTP/AVP 0", connection="c=IN IP4 224.2.36.42"), "multicast", id="multicast"),
        pytest.param(phone("m=audio 4000 RTP/AVP 0", connection="b=AS:1"), "no c= line", id="no-connection"),
    ],
)
def test_create_answer_refuses_with_reason(offer: SessionDescription, reason: str) -> None:
    with pytest.raises(NotAcceptable, match=reason) as raised:
        create_answer(offer, LOCAL, codecs=BOTH)
    assert raised.value.status == 488
    assert raised.value.cause is HangupCause.NOT_ACCEPTABLE


@pytest.mark.parametrize(
    ("stated", "answered", "held"),
    [
        ("sendrecv", "sendrecv", False),
        ("sendonly", "recvonly", True),
        ("recvonly", "sendonly", False),
        ("inactive", "inactive", True),
    ],
)
@pytest.mark.parametrize("level", ["session", "media"])
def test_create_answer_mirrors_direction(stated: str, answered: str, held: bool, level: str) -> None:
    lines = [f"a={stated}", "m=audio 4000 RTP/AVP 0"]
    answer, agreed = create_answer(phone(*(lines if level == "session" else lines[::-1])), LOCAL, codecs=BOTH)
    assert answer.media[0].has(answered)
    assert agreed.direction.value == answered
    assert agreed.held is held


def test_create_answer_held_by_unspecified_address_sends_nothing_anywhere() -> None:
    offer = phone("m=audio 4000 RTP/AVP 0", "a=sendrecv", connection="c=IN IP4 0.0.0.0")
    answer, agreed = create_answer(offer, LOCAL, codecs=BOTH)
    assert agreed.held and not agreed.send and agreed.receive
    assert agreed.remote is None and agreed.remote_rtcp is None
    assert answer.media[0].has("recvonly")


def test_create_answer_with_our_own_wish_is_limited_by_both_sides() -> None:
    offer = phone("m=audio 4000 RTP/AVP 0", "a=sendonly")
    _, agreed = create_answer(offer, LOCAL, codecs=BOTH, direction=MediaDirection.SENDONLY)
    assert agreed.direction is MediaDirection.INACTIVE


@pytest.mark.parametrize(
    ("lines", "rtcp", "mux"),
    [
        ((), ("192.0.2.10", 4001), False),
        (("a=rtcp:5005",), ("192.0.2.10", 5005), False),
        (("a=rtcp:5005 IN IP4 192.0.2.77",), ("192.0.2.77", 5005), False),
        (("a=rtcp:5005 IN IP4 127.0.0.1",), None, False),
        (("a=rtcp:",), None, False),
        (("a=rtcp:0",), None, False),
        (("a=rtcp-mux",), ("192.0.2.10", 4000), True),
    ],
)
def test_create_answer_finds_rtcp(lines: tuple[str, ...], rtcp: tuple[str, int] | None, mux: bool) -> None:
    answer, agreed = create_answer(phone("m=audio 4000 RTP/AVP 0", *lines), LOCAL, codecs=BOTH)
    assert agreed.remote_rtcp == rtcp
    assert agreed.rtcp_mux is mux
    assert answer.media[0].has("rtcp-mux") is mux


@pytest.mark.parametrize(
    ("lines", "ptime_ms"),
    [
        ((), 20),
        (("a=ptime:30",), 30),
        (("a=ptime:20.0",), 20),
        (("a=ptime:0",), 20),
        (("a=ptime:abc",), 20),
        (("a=ptime:200",), 60),
        (("a=ptime:5",), 10),
        (("a=ptime:25",), 20),
        (("a=maxptime:10",), 10),
        (("a=ptime:40", "a=maxptime:30"), 30),
    ],
)
def test_create_answer_keeps_packet_time_in_bounds(lines: tuple[str, ...], ptime_ms: int) -> None:
    assert create_answer(phone("m=audio 4000 RTP/AVP 0", *lines), LOCAL, codecs=BOTH)[1].ptime_ms == ptime_ms


def test_accept_answer_takes_the_answers_first_codec_and_its_numbers() -> None:
    offer = create_offer(LOCAL, codecs=BOTH)
    answer = phone("m=audio 4000 RTP/AVP 8 0 96", "a=rtpmap:96 telephone-event/8000", "a=ptime:30")
    agreed = accept_answer(offer, answer, local=LOCAL, codecs=BOTH)
    assert agreed.codec == PCMA
    assert (agreed.digits_payload_type, agreed.receive_digits_payload_type) == (96, 101)
    assert agreed.remote == ("192.0.2.10", 4000)
    assert agreed.ptime_ms == 30


def test_accept_answer_peer_renumbering_a_codec_is_sent_its_number() -> None:
    offer = create_offer(LOCAL, codecs=BOTH)
    agreed = accept_answer(offer, phone("m=audio 4000 RTP/AVP 110", "a=rtpmap:110 PCMU/8000"), local=LOCAL, codecs=BOTH)
    assert (agreed.payload_type, agreed.receive_payload_type) == (110, 0)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        pytest.param(phone("m=audio 0 RTP/AVP 0"), "refused", id="port-0"),
        pytest.param(phone(), "refused", id="no-media"),
        pytest.param(phone("m=video 4000 RTP/AVP 31"), "refused", id="another-medium"),
        pytest.param(phone("m=audio 4000 RTP/SAVP 0"), "without a=crypto", id="another-profile"),
        pytest.param(phone("m=audio 4000 RTP/AVP 18"), "none of the codecs offered", id="codec-not-offered"),
        pytest.param(phone("m=audio 4000 RTP/AVP 0", connection="c=IN IP6 ::1"), "only IP4", id="ip6"),
    ],
)
def test_accept_answer_refuses_with_reason(answer: SessionDescription, reason: str) -> None:
    with pytest.raises(NotAcceptable, match=reason):
        accept_answer(create_offer(LOCAL, codecs=BOTH), answer, local=LOCAL, codecs=BOTH)


def test_accept_answer_codec_of_ours_that_was_not_offered_is_refused() -> None:
    with pytest.raises(NotAcceptable):
        accept_answer(create_offer(LOCAL, codecs=[PCMU]), phone("m=audio 4000 RTP/AVP 8"), local=LOCAL, codecs=BOTH)


def test_accept_answer_to_sendonly_offer_never_receives() -> None:
    offer = create_offer(LOCAL, codecs=BOTH, direction=MediaDirection.SENDONLY)
    agreed = accept_answer(offer, phone("m=audio 4000 RTP/AVP 0"), local=LOCAL, codecs=BOTH)
    assert agreed.direction is MediaDirection.SENDONLY


def test_version_rises_by_one_only_when_something_changed() -> None:
    first = create_offer(LOCAL, codecs=BOTH)
    same = create_offer(LOCAL, codecs=BOTH, previous=first)
    assert same == first
    held = create_offer(LOCAL, codecs=BOTH, direction=MediaDirection.SENDONLY, previous=same)
    assert held.origin.version == "2"
    assert held.origin.session_id == first.origin.session_id
    offer = phone("m=audio 4000 RTP/AVP 0")
    answer, _ = create_answer(offer, LOCAL, codecs=BOTH, previous=held)
    assert answer.origin.version == "3"
    assert create_answer(offer, LOCAL, codecs=BOTH, previous=answer)[0] == answer


def test_create_offer_later_keeps_places_and_payload_numbers() -> None:
    offer = phone(
        "m=video 6000 RTP/AVP 31",
        "m=audio 4000 RTP/AVP 97 96",
        "a=rtpmap:97 PCMA/8000",
        "a=rtpmap:96 telephone-event/8000",
    )
    answer, _ = create_answer(offer, LOCAL, codecs=BOTH)
    again = create_offer(LOCAL, codecs=[PCMA, PCMU], previous=answer)
    assert [(line.kind, line.port) for line in again.media] == [("video", 0), ("audio", 20000)]
    assert formats(again, 1) == [(97, "PCMA"), (0, "PCMU"), (96, "TELEPHONE-EVENT")]


def test_create_offer_events_number_never_collides_with_a_codec() -> None:
    taken = replace(PCMU, payload_type=101)
    assert formats(create_offer(LOCAL, codecs=[taken])) == [(101, "PCMU"), (102, "TELEPHONE-EVENT")]


@pytest.mark.parametrize(
    ("address", "local", "usable"),
    [
        ("192.0.2.10", "198.51.100.5", True),
        ("127.0.0.1", "198.51.100.5", False),
        ("127.8.8.8", "198.51.100.5", False),
        ("198.51.100.5", "198.51.100.5", False),
        ("198.51.100.6", "198.51.100.5", False),
        ("224.0.0.1", "198.51.100.5", False),
        ("239.255.255.250", "127.0.0.1", False),
        ("255.255.255.255", "198.51.100.5", False),
        ("240.0.0.1", "198.51.100.5", False),
        ("0.0.0.0", "127.0.0.1", False),
        ("0.1.2.3", "127.0.0.1", False),
        ("127.0.0.1", "127.0.0.1", True),
        ("192.0.2.10", "127.0.0.1", True),
        ("::1", "127.0.0.1", False),
        ("host.example.com", "127.0.0.1", False),
        ("", "127.0.0.1", False),
        ("192.0.2.010", "198.51.100.5", False),
    ],
)
def test_is_usable_remote(address: str, local: str, usable: bool) -> None:
    assert is_usable_remote(address, local, own={"198.51.100.6"}) is usable


def test_negotiated_address_that_may_not_be_sent_to_is_none() -> None:
    offer = phone("m=audio 4000 RTP/AVP 0", connection="c=IN IP4 127.0.0.1")
    assert create_answer(offer, LOCAL, codecs=BOTH)[1].remote is None
    assert create_answer(offer, replace(LOCAL, address="127.0.0.1"), codecs=BOTH)[1].remote == ("127.0.0.1", 4000)


_LINES = (
    "c=IN IP4 192.0.2.1",
    "c=IN IP4 0.0.0.0",
    "c=IN IP6 ::1",
    "c=IN IP4 host",
    "m=audio 4000 RTP/AVP 0",
    "m=audio 65535 RTP/AVP 8 101",
    "m=audio 0 RTP/AVP 0",
    "m=audio 9 UDP/TLS/RTP/SAVPF 0",
    "m=video 5000 RTP/AVP 31",
    "a=rtpmap:101 telephone-event/8000",
    "a=rtpmap:0 PCMU",
    "a=rtpmap:8 /8000",
    "a=rtpmap:",
    "a=rtpmap",
    "a=fmtp:101 0-300,x,-,5-1",
    "a=fmtp:101",
    "a=ptime:99999999999",
    "a=maxptime:1",
    "a=rtcp:65535 IN IP4",
    "a=rtcp",
    "a=rtcp-mux",
    "a=sendonly",
    "a=inactive",
)


@given(st.lists(st.sampled_from(_LINES), max_size=12))
@settings(max_examples=1000, deadline=None)
def test_create_answer_to_any_mixture_is_refused_or_answers_every_line(lines: list[str]) -> None:
    try:
        offer = parse("\n".join(("v=0", "o=- 1 1 IN IP4 192.0.2.1", "s=-", "t=0 0", *lines)))
        answer, agreed = create_answer(offer, LOCAL, codecs=BOTH)
    except SdpError:
        return
    assert parse(serialise(answer)) == answer
    assert [line.kind for line in answer.media] == [line.kind for line in offer.media]
    assert sum(line.port != 0 for line in answer.media) == 1
    assert agreed.remote is None or is_usable_remote(agreed.remote[0], LOCAL.address)
    assert 10 <= agreed.ptime_ms <= 60


@given(
    st.permutations(BOTH),
    st.sampled_from(MediaDirection),
    st.sampled_from(MediaDirection),
)
@settings(max_examples=200, deadline=None)
def test_both_ends_of_ours_agree_on_the_same(
    codecs: list[Codec], offered: MediaDirection, wished: MediaDirection
) -> None:
    offerer = replace(LOCAL, address="192.0.2.1", port=4000)
    offer = parse(serialise(create_offer(offerer, codecs=codecs, direction=offered)))
    answer, there = create_answer(offer, LOCAL, codecs=codecs[::-1], direction=wished)
    here = accept_answer(offer, parse(serialise(answer)), local=offerer, codecs=codecs)
    assert here.codec == there.codec
    assert (here.send, here.receive) == (there.receive, there.send)
    assert here.digits_payload_type == there.receive_digits_payload_type == 101
    assert here.remote == (LOCAL.address, LOCAL.port)
    assert there.remote == (offerer.address, offerer.port)
