"""Names across the edge: identities in URIs, callers as applications see them, headers that may pass."""

import pytest

from signaling.leg import Party
from signaling.sip.naming import (
    diversion_of,
    extension_headers,
    from_value,
    identity_uri,
    outgoing_headers,
    party_of,
)
from signaling.sip.parser import parse_datagram
from signaling.sip.values import parse_address, parse_uri
from tests.signaling.sip.messages import request


@pytest.mark.parametrize(
    ("address", "uri"),
    [
        ("client:alice", "sip:alice@ringfork.test"),
        ("+15550100", "sip:+15550100@ringfork.test"),
        ("sip:bob@example.com", "sip:bob@example.com"),
        ("sip:bob@example.com:5070;x=y", "sip:bob@example.com:5070"),
        ("client:al ice@home;x>", "sip:al%20ice%40home%3Bx%3E@ringfork.test"),
        ("client:зоя", "sip:%D0%B7%D0%BE%D1%8F@ringfork.test"),
        ("client:a\r\nX-Evil: 1", "sip:a%0D%0AX-Evil%3A%201@ringfork.test"),
        ("sip:broken <", "sip:sip%3Abroken%20%3C@ringfork.test"),
        ("anonymous", "sip:anonymous@anonymous.invalid"),
        ("", "sip:anonymous@anonymous.invalid"),
    ],
)
def test_identity_becomes_a_uri_that_can_be_read_again(address: str, uri: str) -> None:
    assert identity_uri(address, "ringfork.test") == uri
    parse_uri(uri)


def test_from_quotes_the_display_name() -> None:
    value = from_value(Party(address="client:a", display_name='A "B" \\ <c>\r\nTo: x'), domain="d.test", tag="t")
    assert value == '"A \\"B\\" \\\\ <c> To: x" <sip:a@d.test>;tag=t'
    assert parse_address(value).name == 'A "B" \\ <c> To: x'


@pytest.mark.parametrize(
    ("value", "numbers", "party"),
    [
        (
            '"Alice" <sip:alice@example.com;x=y>;tag=1',
            False,
            Party(address="sip:alice@example.com", display_name="Alice"),
        ),
        ("<sip:+15550100@example.com;user=phone>", True, Party(address="+15550100")),
        ("<sip:+15550100@example.com>", False, Party(address="sip:+15550100@example.com")),
        ("<tel:+1-555-(0100);phone-context=x>", True, Party(address="+15550100")),
        ("<sip:alice@example.com:5070>", True, Party(address="sip:alice@example.com:5070")),
        ("<sip:example.com>", True, Party(address="sip:example.com")),
        ('"Anonymous" <sip:anonymous@anonymous.invalid>', True, Party(address="anonymous", display_name="Anonymous")),
        ("<sip:al%20i%00ce@example.com>", False, Party(address="sip:al%20i%00ce@example.com")),
    ],
)
def test_party_is_what_an_application_sees(value: str, numbers: bool, party: Party) -> None:  # noqa: FBT001
    assert party_of(parse_address(value), numbers=numbers) == party


SPELLINGS = [
    "X-Twilio-CallSid",
    "x-twilio-callsid",
    "X-TWILIO-Anything",
    "X_Twilio_CallSid",
    "X-Twilio_CallSid",
    "x-ringfork-Leg",
]


@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize("shape", ["{}: 1", "{} : 1", "{}\t:\r\n 1", "{}:1"])
def test_headers_of_ours_from_outside_are_taken_out_in_every_spelling(spelling: str, shape: str) -> None:
    octets = bytes(request(fields=[("X-Kept", "yes")]))
    message = parse_datagram(octets.replace(b"X-Kept", shape.format(spelling).encode() + b"\r\nX-Kept", 1))
    assert extension_headers(message) == {"X-Kept": "yes"}


def test_headers_that_pass_are_x_and_the_few_others() -> None:
    fields = [
        ("X-A", "1"),
        ("x-b", "2"),
        ("X-A", "3"),
        ("User-to-User", "4;encoding=hex"),
        ("Subject", "no"),
        ("Authorization", "no"),
        ("P-Asserted-Identity", "<sip:c@d>"),
    ]
    assert extension_headers(request(fields=fields)) == {
        "X-A": "1, 3",
        "x-b": "2",
        "User-to-User": "4;encoding=hex",
        "P-Asserted-Identity": "<sip:c@d>",
    }


def test_outgoing_headers_cannot_become_others() -> None:
    given = {
        "X-Ok": "a\r\nVia: x\x00y\u2028z",
        "Via": "no",
        "x-twilio-callsid": "no",
        "X-Bad Name": "no",
        "X-Bad\r\nName": "no",
        "user-to-user": "u",
    }
    assert dict(outgoing_headers(given)) == {"X-Ok": "a Via: x y z", "User-to-User": "u"}


@pytest.mark.parametrize(
    ("fields", "found"),
    [
        ([], None),
        ([("Diversion", "<sip:+15550100@carrier.example>;reason=no-answer")], "+15550100"),
        ([("Diversion", "<sip:a@b>;reason=x, <sip:c@d>"), ("Diversion", "<sip:e@f>")], "sip:a@b"),
        ([("Diversion", "rubbish")], None),
    ],
)
def test_diversion_is_who_forwarded_last(fields: list[tuple[str, str]], found: str | None) -> None:
    assert diversion_of(request(fields=fields)) == found
