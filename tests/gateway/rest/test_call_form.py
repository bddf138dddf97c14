"""The form of a call that is asked for: what becomes of it, and with which code it is refused."""

from typing import Any

import pytest

from gateway.config import load
from gateway.rest.call_form import order_of
from gateway.rest.errors import RestError
from gateway.rest.form import Form
from gateway.routing import Router
from media.answering_machine import Thresholds
from signaling.location import ClientTarget, NumberTarget, SipTarget
from tests.gateway.peers import ACCOUNT_SID

APPLICATION = "AP" + "a" * 32
LEAST = {"To": "client:bob", "From": "client:desk", "Url": "http://app.example.com/voice"}


def router(*, numbers: tuple[str, ...] = (), prefixes: str = "[]") -> Router:
    listed = ", ".join(f'{{"phone_number": "{number}"}}' for number in numbers)
    return Router(
        load(
            None,
            {
                "RINGFORK_ACCOUNT__SID": ACCOUNT_SID,
                "RINGFORK_ACCOUNT__AUTH_TOKEN": "0123456789abcdef",
                "RINGFORK_ACCOUNT__ALLOWED_PREFIXES": prefixes,
                "RINGFORK_NUMBERS": f"[{listed}]",
                "RINGFORK_APPLICATIONS": f'[{{"sid": "{APPLICATION}", "voice_url": "http://app.example.com/ap"}}]',
            },
        )
    )


def order(*, numbers: tuple[str, ...] = (), **form: str | None) -> Any:
    given = {**LEAST, **form}
    pairs = [(name, value) for name, value in given.items() if value is not None]
    return order_of(Form(pairs), account_sid=ACCOUNT_SID, router=router(numbers=numbers))


def test_call_form_defaults() -> None:
    made = order()
    assert made.target == ClientTarget("bob")
    assert (made.timeout_s, made.time_limit_s, made.digits, made.recording) == (60, None, None, None)
    assert (made.script.voice_url, made.script.voice_method) == ("http://app.example.com/voice", "POST")
    assert (made.telling.url, made.telling.events) == (None, {"completed"})


def test_call_form_parameters_of_a_client_and_headers_of_a_sip_phone() -> None:
    assert dict(order(To="client:bob?color=blue&n=1").parameters) == {"color": "blue", "n": "1"}
    sip = order(To="sip:desk@sip.example.com?X-Room=5", SipAuthUsername="u", SipAuthPassword="p")
    assert sip.target == SipTarget(uri="sip:desk@sip.example.com", username="u", password="p", headers={"X-Room": "5"})


def test_call_form_numbers_an_account_may_not_call_are_refused() -> None:
    allowed = router(prefixes='["+46", "+1415"]')

    def target(to: str) -> Any:
        pairs = {**LEAST, "To": to, "From": "+15550100"}.items()
        return order_of(Form(pairs), account_sid=ACCOUNT_SID, router=allowed).target

    assert target("+14155550123") == NumberTarget("+14155550123")
    assert target("client:bob") == ClientTarget("bob")
    with pytest.raises(RestError) as refused:
        target("+15555550123")
    assert (refused.value.status, refused.value.code) == (400, 21215)


def test_call_form_numbers_are_cleaned_and_must_be_ours_where_there_are_any() -> None:
    assert order(To="(415) 555-0123", From="+15550100").target == NumberTarget("+14155550123")
    assert order(numbers=("+15550100",), To="+14155550123", From="+15550100").facts.caller == "+15550100"
    with pytest.raises(RestError) as refused:
        order(numbers=("+15550100",), To="+14155550123", From="+15550199")
    assert refused.value.code == 21210


def test_call_form_application_takes_the_place_of_urls_and_callbacks() -> None:
    made = order(ApplicationSid=APPLICATION, StatusCallback="http://app.example.com/told")
    assert (made.script.voice_url, made.script.application_sid) == ("http://app.example.com/ap", APPLICATION)
    assert made.telling.url is None


def test_call_form_timeout_is_cut_and_url_wins_over_twiml() -> None:
    assert order(Timeout="9000").timeout_s == 600
    assert order(Twiml="<Response/>").document is None
    assert order(Url=None, Twiml="<Response/>").document is not None


def test_call_form_recording() -> None:
    made = order(Record="true", RecordingChannels="dual", RecordingTrack="inbound").recording
    assert (made.is_dual, made.order.track, made.order.source, made.order.is_trimmed) == (
        True,
        "inbound",
        "OutboundAPI",
        True,
    )


def test_call_form_machine_detection() -> None:
    assert order(AsyncAmd="true").detection is None
    awaited = order(MachineDetection="DetectMessageEnd", AsyncAmdStatusCallback="http://app.example.com/amd").detection
    assert (awaited.is_awaited, awaited.order.callback_url) == (True, None)
    assert awaited.order.thresholds == Thresholds(waits_for_end=True)
    made = order(
        MachineDetection="Enable",
        MachineDetectionTimeout="20",
        MachineDetectionSpeechThreshold="2000",
        MachineDetectionSpeechEndThreshold="900",
        MachineDetectionSilenceTimeout="4000",
        AsyncAmd="true",
        AsyncAmdStatusCallback="http://app.example.com/amd",
        AsyncAmdStatusCallbackMethod="GET",
    ).detection
    assert made.order.thresholds == Thresholds(timeout_ms=20_000, speech_ms=2000, speech_end_ms=900, silence_ms=4000)
    assert (made.is_awaited, made.order.callback_url, made.order.callback_method) == (
        False,
        "http://app.example.com/amd",
        "GET",
    )


@pytest.mark.parametrize(
    ("form", "code"),
    [
        ({"MachineDetection": "yes"}, 21234),
        ({"MachineDetectionSpeechThreshold": "999"}, 21234),
        ({"MachineDetection": "Enable", "AsyncAmd": "true"}, 21262),
        ({"To": None}, 21201),
        ({"From": None}, 21213),
        ({"To": "client:a b"}, 21211),
        ({"To": "sip:"}, 21211),
        ({"To": "12x"}, 21211),
        ({"To": "+14155550123", "From": "client:desk"}, 21212),
        ({"Url": None}, 21205),
        ({"Url": "/relative"}, 21205),
        ({"Method": "PUT"}, 21209),
        ({"Timeout": "0"}, 21208),
        ({"Timeout": "soon"}, 21208),
        ({"SendDigits": "12x"}, 21206),
        ({"SendDigits": "1" * 33}, 21206),
        ({"ApplicationSid": "AP" + "b" * 32}, 21218),
        ({"StatusCallback": "ftp://example.com"}, 21502),
        ({"StatusCallbackEvent": "nothing"}, 20001),
        ({"Url": None, "Twiml": "<Response>"}, 12100),
        ({"Url": None, "Twiml": "<Response>" + " " * 4000 + "</Response>"}, 32018),
        ({"Record": "maybe"}, 20001),
        ({"Record": "true", "RecordingStatusCallback": "x"}, 13256),
        ({"Record": "true", "RecordingStatusCallbackEvent": "x"}, 13621),
        ({"SipAuthUsername": "u" * 256, "To": "sip:a@example.com"}, 21221),
    ],
)
def test_call_form_that_cannot_be_is_refused_with_its_code(form: dict[str, str | None], code: int) -> None:
    with pytest.raises(RestError) as refused:
        order(**dict[str, Any](form))
    assert (refused.value.status, refused.value.code) == (400, code)
