"""No secret is left in what the console keeps, and what is no secret stays readable."""

import time

import pytest

from gateway.console.redaction import HIDDEN, is_secret_name, redact_pairs, redact_sip, redact_text

TOKEN = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJBQyJ9.c2lnbmF0dXJl"
INVITE = "\r\n".join(
    [
        "INVITE sip:bob:letmein@example.com SIP/2.0",
        "Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKabc",
        'From: "Ann" <sip:ann@example.com>;tag=1',
        "Call-ID: abc@example.com",
        'Authorization: Digest username="ann", realm="example.com", nonce="n0nce", response="0123456789abcdef"',
        "Proxy-Authorization: Basic YW5uOmxldG1laW4=",
        "X-Api-Key: sesame",
        "X-Auth-Token: sesame",
        "X-Colour: red",
        "Content-Type: application/sdp",
        "",
        "v=0",
        "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:SGVsbG8gV29ybGQgSGVsbG8gV29ybGQ|2^20",
        "a=ice-pwd:verysecretindeed",
        "a=rtpmap:0 PCMU/8000",
        "",
    ]
)


def test_redaction_sip_message_loses_every_secret_and_keeps_who_and_where() -> None:
    text = redact_sip(INVITE)
    for secret in ("letmein", "0123456789abcdef", "YW5uOmxldG1laW4=", "sesame", "SGVsbG8", "verysecretindeed"):
        assert secret not in text
    for kept in ('Authorization: Digest username="ann", realm="example.com"', "X-Colour: red", "a=rtpmap:0 PCMU/8000"):
        assert kept in text
    assert 'From: "Ann" <sip:ann@example.com>;tag=1' in text
    assert text.count("\n") == INVITE.count("\n")


@pytest.mark.parametrize("end", ["\n", "\r", "\r\n"])
def test_redaction_sip_message_hides_a_folded_secret_however_its_lines_end(end: str) -> None:
    lines = ["INVITE sip:a SIP/2.0", "Authorization: Digest", ' response="abcdef"', "X-Token:", "\tsesame", "", "v=0"]
    text = redact_sip(end.join(lines))
    assert "abcdef" not in text and "sesame" not in text and text.endswith("\n\nv=0")


@pytest.mark.parametrize("padding", ["", " " * 100])
@pytest.mark.parametrize("header", ["X-Token", "Authorization", "Authentication-Info"])
def test_redaction_sip_header_is_known_however_often_it_came_and_however_long_its_name_is(
    header: str, padding: str
) -> None:
    for _ in range(2):
        text = redact_sip(f"INVITE sip:a SIP/2.0\r\nSubject: lunch\r\n{header}{padding}: Digest rspauth=sesame\r\n\r\n")
        assert "sesame" not in text and "Subject: lunch" in text


@pytest.mark.parametrize(
    ("head", "secret"),
    [
        ("To: <sip:bob:letmein@example.com>", "letmein"),
        ("To: sip:bob:let:me:in@example.com", "let:me:in"),
        ("To: <SIPS:bob:letmein@example.com>;tag=sip:a@b", "letmein"),
        ("Call-Info: <https://ann:letmein@example.com/a>", "letmein"),
        ("Call-Info: <https://ann:sip:x@example.com/a>, <sip:b@c>", "sip:x"),
    ],
)
def test_redaction_sip_head_loses_the_passwords_of_its_uris(head: str, secret: str) -> None:
    message = f"INVITE sip:bob@example.com SIP/2.0\r\nFrom: <sip:ann@example.com>\r\n{head}\r\nCall-ID: a@b\r\n\r\n"
    text = redact_sip(message)
    assert f":{secret}@" not in text and HIDDEN in text
    assert "From: <sip:ann@example.com>\n" in text and "\nCall-ID: a@b" in text


def test_redaction_challenge_stays_readable_but_for_its_proofs() -> None:
    head = "SIP/2.0 200 OK\r\n"
    challenge = 'WWW-Authenticate: Digest realm="example.com", nonce="abc", opaque="0f", qop="auth"'
    info = 'Authentication-Info: nextnonce="47", rspauth="6629"'
    text = redact_sip(f"{head}{challenge}\r\n{info}\r\n\r\n")
    assert 'realm="example.com"' in text and 'nonce="abc"' in text
    assert "0f" not in text and "47" not in text and "6629" not in text


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("https://ann:letmein@app.example.com/voice", "letmein"),
        ("wss://ann:letmein@app.example.com", "letmein"),
        ("<Sip username='ann' password='letmein'>sip:bob@example.com</Sip>", "letmein"),
        ('<Sip password="let\nme in">', "me in"),
        ("<Number>+15550100</Number><Sip>sip:ann:letmein@example.com</Sip>", "letmein"),
        ("https://app.example.com/voice?access_token=letmein&x=1", "letmein"),
        ("https://app.example.com/voice?x=1&amp;apikey=letmein", "letmein"),
        ('{"client_secret": "letmein"}', "letmein"),
        (f"Bearer {TOKEN}", TOKEN[:30]),
        (f"<Parameter name='t' value='{TOKEN}'/>", TOKEN[20:]),
    ],
)
def test_redaction_text_hides_the_secret(text: str, secret: str) -> None:
    assert secret not in redact_text(text)
    assert HIDDEN in redact_text(text)


@pytest.mark.parametrize(
    "text",
    [
        "<Response><Say>The password is not told here</Say></Response>",
        "https://app.example.com:8443/voice?step=2&digits=1234",
        "sip:bob@example.com:5060;transport=tcp",
        "client:alice, at noon: call back",
        "",
    ],
)
def test_redaction_text_without_a_secret_stays_as_it_is(text: str) -> None:
    assert redact_text(text) == text


def test_redaction_parameters_go_by_name_and_by_value() -> None:
    pairs = [
        ("From", "client:ann"),
        ("CallToken", "abc"),
        ("SipHeader_X-Password", "letmein"),
        ("Url", "http://a:b@c/"),
    ]
    assert redact_pairs(pairs) == [
        ["From", "client:ann"],
        ["CallToken", HIDDEN],
        ["SipHeader_X-Password", HIDDEN],
        ["Url", f"http://a:{HIDDEN}@c/"],
    ]


@pytest.mark.parametrize("name", ["Authorization", "proxy-authorization", "X-Twilio-Signature", "Set-Cookie", "pwd"])
def test_redaction_knows_the_names_of_secrets(name: str) -> None:
    assert is_secret_name(name)


@pytest.mark.parametrize(
    "text",
    [
        "sip:" * 16_000,
        "password=" * 7_000,
        'password="' * 6_000 + "secret='" * 10,
        "a" * 65_000,
        "?" + "token" * 13_000,
        "eyJ" * 21_000,
        "https://" + ":" * 60_000,
        "x" * 60 + ": " * 32_000,
    ],
)
def test_redaction_takes_no_time_over_text_made_to_cost_some(text: str) -> None:
    begun = time.process_time()
    redact_text(text)
    redact_sip(text)
    assert time.process_time() - begun < 3.0
