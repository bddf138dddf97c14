"""Trunks: whose calls come in by address, and how numbers go out."""

from dataclasses import replace

import pytest

from signaling.errors import UsageError
from signaling.leg import Leg, OutboundCall, Party
from signaling.sip.dial_target import Credentials, DialTarget
from signaling.sip.trunk import Trunk, Trunks

CALL = OutboundCall(
    call_sid="CA1", account_sid="AC1", caller=Party(address="+15550100"), callee=Party(address="+15550101")
)
CARRIER = Trunk(
    name="carrier",
    uri="sip:login@carrier.example.com:5090;transport=tcp",
    username="login",
    password="secret",
    sources=("192.0.2.0/24", "198.51.100.7", "2001:db8::/32"),
)


class Dialled(Exception):
    """Raised instead of a leg."""


class Recorder:
    def __init__(self) -> None:
        self.targets: list[DialTarget] = []

    def __call__(self, target: DialTarget, request: OutboundCall) -> Leg:
        self.targets.append(target)
        raise Dialled


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("192.0.2.1", "carrier"),
        ("198.51.100.7", "carrier"),
        ("198.51.100.8", None),
        ("2001:db8::5", "carrier"),
        ("192.0.2.200", "inner"),
        ("not an address", None),
    ],
)
def test_match_takes_the_smallest_network_of_a_source(source: str, name: str | None) -> None:
    inner = Trunk(name="inner", uri="sip:192.0.2.200", sources=("192.0.2.128/25",))
    trunks = Trunks([CARRIER, inner], dial=Recorder())
    for _ in range(2):
        assert trunks.name_of_source(source) == name
    found = trunks.match(source)
    assert (found.name if found else None) == name


def test_match_remembers_a_bounded_number_of_sources() -> None:
    trunks = Trunks([CARRIER], dial=Recorder())
    for index in range(10_000):
        trunks.match(f"10.0.{index // 256}.{index % 256}")
    assert len(trunks._of_source) <= 4096
    assert trunks.name_of_source("192.0.2.1") == "carrier"


@pytest.mark.parametrize(
    ("number", "user"),
    [("+15550101", "+15550101"), ("+1 (555) 01-01", "+15550101"), ("*21#", "*21%23")],
)
def test_dial_number_goes_to_the_first_trunk_with_its_own_login(number: str, user: str) -> None:
    recorder = Recorder()
    trunks = Trunks([CARRIER, replace(CARRIER, name="second")], dial=recorder)
    with pytest.raises(Dialled):
        trunks.dial_number(number, CALL)
    assert recorder.targets == [
        DialTarget(
            request_uri=f"sip:{user}@carrier.example.com:5090;transport=tcp",
            to_uri=f"sip:{user}@carrier.example.com",
            device="trunk:carrier",
            credentials=Credentials(username="login", password="secret"),
        )
    ]


def test_dial_number_without_login_has_no_credentials() -> None:
    recorder = Recorder()
    with pytest.raises(Dialled):
        Trunks([Trunk(name="open", uri="sip:192.0.2.9")], dial=recorder).dial_number("+15550101", CALL)
    assert recorder.targets[0].credentials is None
    assert recorder.targets[0].request_uri == "sip:+15550101@192.0.2.9"


@pytest.mark.parametrize("number", ["", "alice", "sip:x@evil.example", "+1555@evil.example", "+", "1" * 65])
def test_dial_number_that_is_none_dials_nothing(number: str) -> None:
    assert Trunks([CARRIER], dial=Recorder()).dial_number(number, CALL) is None


def test_dial_number_without_a_trunk_dials_nothing() -> None:
    trunks = Trunks(dial=Recorder())
    assert trunks.dial_number("+15550101", CALL) is None
    assert trunks.match("192.0.2.1") is None


@pytest.mark.parametrize(
    "trunk",
    [
        Trunk(name="x", uri="carrier.example.com"),
        Trunk(name="x", uri="tel:+15550100"),
        Trunk(name="x", uri="sip:192.0.2.1", sources=("192.0.2.0/99",)),
    ],
)
def test_trunk_that_makes_no_sense_is_told(trunk: Trunk) -> None:
    with pytest.raises(UsageError, match="trunk x"):
        Trunks([trunk], dial=Recorder())


def test_trunk_password_stays_out_of_its_text() -> None:
    assert "secret" not in repr(CARRIER)
    assert "secret" not in repr(CARRIER.target("+15550101"))
