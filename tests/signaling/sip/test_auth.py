"""Digest: who a request is from, and what a trunk gets of ours. Source: RFC 7616, RFC 8760, RFC 3261 22."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from signaling.sip.auth import (
    ChallengeError,
    DigestAuthenticator,
    Refused,
    Verified,
    answer_challenge,
    parse_digest,
)
from signaling.sip.limits import GuessGuard, GuessLimits

URI = "sip:gateway.example.com"
PASSWORDS = {"alice": "wonderland", "bob": 'bu"il\\der', "çelik": "şifre"}


@dataclass
class Clock:
    now: float = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class World:
    """An authenticator and a phone that knows its password."""

    clock: Clock = field(default_factory=Clock)
    limit: int = 100

    def __post_init__(self) -> None:
        self.server = DigestAuthenticator(
            realm="example.com",
            secret=b"s" * 32,
            clock=self.clock,
            credentials=PASSWORDS.get,
            replay_limit=self.limit,
        )

    def answer(self, challenges: list[str] | None = None, **changes: str | int) -> str:
        wanted: dict[str, str | int] = {
            "method": "REGISTER",
            "uri": URI,
            "username": "alice",
            "password": "wonderland",
        }
        return answer_challenge(challenges or self.server.challenge(), **(wanted | changes))  # type: ignore[arg-type]

    def verify(self, *values: str, method: str = "REGISTER", uri: str = URI) -> Verified | Refused:
        return self.server.verify(method, values, uri=uri)


@pytest.fixture
def world() -> World:
    return World()


def test_challenge_offers_sha256_before_md5_with_one_nonce(world: World) -> None:
    first, second = (parse_digest(value) for value in world.server.challenge())
    assert first is not None and second is not None
    assert (first["algorithm"], second["algorithm"]) == ("SHA-256", "MD5")
    assert first["nonce"] == second["nonce"]
    assert (first["realm"], first["qop"]) == ("example.com", "auth")
    assert "stale" not in first
    assert world.server.challenge() != world.server.challenge()
    assert all(value.endswith("stale=true") for value in world.server.challenge(stale=True))


@pytest.mark.parametrize("which", [0, 1], ids=["sha-256", "md5"])
@pytest.mark.parametrize("username", ["alice", "alice@example.com", "alice@EXAMPLE.com", "bob", "çelik"])
def test_verify_right_answer_is_verified(world: World, which: int, username: str) -> None:
    identity = username.partition("@")[0]
    value = world.answer([world.server.challenge()[which]], username=username, password=PASSWORDS[identity])
    assert world.verify(value) == Verified(identity)


def test_verify_known_vector() -> None:
    """RFC 7616 3.9.1, both algorithms, as far as qop=auth over one request goes."""
    challenge = (
        'Digest realm="http-auth@example.org", qop="auth, auth-int", algorithm={}, '
        'nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"'
    )
    for algorithm, response in (
        ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
        ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
    ):
        value = answer_challenge(
            [challenge.format(algorithm)],
            method="GET",
            uri="/dir/index.html",
            username="Mufasa",
            password="Circle of Life",
            cnonce="f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
        )
        answer = parse_digest(value)
        assert answer is not None
        assert answer["response"] == response
        assert answer["opaque"] == "FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda v: v.replace("qop=auth, ", ""), id="no-qop"),
        pytest.param(lambda v: re.sub(r", nc=\w+", "", v), id="no-nc"),
        pytest.param(lambda v: re.sub(r', cnonce="\w+"', "", v), id="no-cnonce"),
        pytest.param(lambda v: re.sub(r', uri="[^"]+"', "", v), id="no-uri"),
        pytest.param(lambda v: re.sub(r', nonce="[^"]+"', "", v), id="no-nonce"),
        pytest.param(lambda v: re.sub(r', response="\w+"', "", v), id="no-response"),
        pytest.param(lambda v: v.replace('username="alice", ', ""), id="no-username"),
        pytest.param(lambda v: v.replace('realm="example.com", ', ""), id="no-realm"),
        pytest.param(lambda v: v.replace('example.com", nonce', 'example.net", nonce'), id="other-realm"),
        pytest.param(lambda v: v + ', response="00"', id="parameter-twice"),
        pytest.param(lambda v: v.replace("Digest", "Basic"), id="other-scheme"),
        pytest.param(lambda v: v[:-1] + '"', id="open-quote"),
        pytest.param(lambda v: v + ", x=" + "y" * 3000, id="too-long"),
        pytest.param(lambda v: "", id="empty"),
    ],
)
def test_verify_incomplete_or_malformed_is_refused_without_counting(world: World, spoil: Callable[[str], str]) -> None:
    assert world.verify(spoil(world.answer())) == Refused()


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda v: v.replace("algorithm=SHA-256", "algorithm=MD5"), id="other-algorithm"),
        pytest.param(lambda v: v.replace("algorithm=SHA-256", "algorithm=SHA-512"), id="unknown-algorithm"),
        pytest.param(lambda v: v.replace("qop=auth", "qop=auth-int"), id="auth-int"),
        pytest.param(lambda v: v.replace("nc=00000001", "nc=1"), id="short-nc"),
        pytest.param(lambda v: v.replace("nc=00000001", "nc=00000002"), id="other-nc"),
        pytest.param(lambda v: v.replace('response="', 'response="é'), id="response-not-ascii"),
        pytest.param(lambda v: v.replace('username="alice"', 'username="bob"'), id="other-user"),
        pytest.param(lambda v: v.replace('username="alice"', 'username="alice@example.net"'), id="other-domain"),
    ],
)
def test_verify_wrong_answer_is_refused_as_an_attempt(world: World, spoil: Callable[[str], str]) -> None:
    refused = world.verify(spoil(world.answer()))
    assert isinstance(refused, Refused)
    assert refused.attempted and not refused.stale


def test_verify_answer_for_another_method_is_refused(world: World) -> None:
    assert isinstance(world.verify(world.answer(), method="INVITE"), Refused)


@pytest.mark.parametrize(
    ("stated", "requested", "good"),
    [
        ("sip:bob@example.com", "sip:bob@example.com;transport=tcp", True),
        ("sip:bob@example.com", "sip:bob@Example.com:5060", True),
        ("SIP:bob@192.0.2.1:5060;transport=udp", "sip:bob@example.com", True),
        ("sip:%62ob@example.com", "sip:bob;phone-context=x@example.com", True),
        ("sip:192.0.2.1:5060", "sip:bob@example.com", True),
        ("sip:alice@example.com", "sip:example.com", True),
        ("sip:alice@example.com", "sip:bob@example.com", False),
        ("sip:+15550100@example.com", "sip:+15550199@example.com", False),
        ("sip:a@sip:b@example.com", "sip:b@example.com", False),
    ],
)
def test_verify_answer_serves_for_the_user_it_was_made_for_only(
    world: World, stated: str, requested: str, good: bool
) -> None:
    verdict = world.verify(world.answer(uri=stated), uri=requested)
    assert isinstance(verdict, Verified) is good


def test_verify_unknown_user_and_wrong_password_look_the_same(world: World) -> None:
    wrong = world.verify(world.answer(password="guess"))
    unknown = world.verify(world.answer(username="mallory"))
    assert wrong == Refused(attempted=True, username="alice")
    assert unknown == Refused(attempted=True, username="mallory")


def test_verify_guess_at_decoy_password_of_unknown_user_never_works(world: World) -> None:
    decoy = world.server._decoy_password
    assert isinstance(world.verify(world.answer(username="mallory", password=decoy)), Refused)


def test_verify_expired_nonce_with_right_password_is_stale(world: World) -> None:
    value = world.answer()
    world.clock.now += 299.9
    assert world.verify(value) == Verified("alice")
    value = world.answer(list(world.server.challenge()))
    world.clock.now += 300
    assert world.verify(value) == Refused(stale=True, username="alice")
    wrong = world.answer(password="guess")
    world.clock.now += 301
    assert world.verify(wrong) == Refused(attempted=True, username="alice")


def test_verify_nonce_of_another_life_is_stale_when_the_password_is_right(world: World) -> None:
    """After a restart with another secret phones must not ask their users for a password."""
    other = DigestAuthenticator(realm="example.com", secret=b"o", clock=world.clock, credentials=PASSWORDS.get)
    assert world.verify(world.answer(other.challenge())) == Refused(stale=True, username="alice")
    for nonce in ("", "x", "é", "A" * 400, "!" * 38):
        challenge = [f'Digest realm="example.com", nonce="{nonce}", algorithm=MD5, qop="auth"']
        assert world.verify(world.answer(challenge)) == Refused(stale=True, username="alice")


def test_verify_nonce_from_the_future_is_stale(world: World) -> None:
    value = world.answer()
    world.clock.now -= 3600
    assert world.verify(value) == Refused(stale=True, username="alice")


def test_verify_same_count_twice_is_stale_but_next_counts_are_good(world: World) -> None:
    challenges = world.server.challenge()
    first = world.answer(challenges)
    assert world.verify(first) == Verified("alice")
    assert world.verify(first) == Refused(stale=True, username="alice")
    for number in (3, 2, 10, 4, 80, 17):
        assert world.verify(world.answer(challenges, number=number)) == Verified("alice")
    for number in (2, 3, 10, 80, 16, 0):
        assert world.verify(world.answer(challenges, number=number)) == Refused(stale=True, username="alice")


def test_verify_wrong_answer_does_not_use_up_the_count(world: World) -> None:
    challenges = world.server.challenge()
    assert isinstance(world.verify(world.answer(challenges, password="guess")), Refused)
    assert world.verify(world.answer(challenges)) == Verified("alice")


def test_replay_table_full_forgets_the_oldest_without_allowing_a_replay() -> None:
    world = World(limit=10)
    used = []
    for _ in range(30):
        world.clock.now += 0.01
        used.append(world.answer())
        assert world.verify(used[-1]) == Verified("alice")
    assert len(world.server._windows) == 10
    assert all(isinstance(world.verify(value), Refused) for value in used)


def test_replay_table_grows_by_guesses_never() -> None:
    world = World()
    for _ in range(50):
        world.verify(world.answer(password="guess"))
    assert not world.server._windows


def test_replay_table_drops_expired_nonces() -> None:
    world = World()
    for _ in range(20):
        world.verify(world.answer())
    world.clock.now += 301
    world.verify(world.answer())
    assert len(world.server._windows) == 1


@pytest.mark.parametrize(
    "noise",
    [
        "Digest",
        "Digest realm",
        'Digest realm="other", nonce="x"',
        "Basic YWxpY2U6d29uZGVybGFuZA==",
        "",
        'Digest username="alice"',
    ],
)
def test_verify_several_headers_takes_ours(world: World, noise: str) -> None:
    assert world.verify(noise, world.answer()) == Verified("alice")


def test_verify_reads_odd_spacing_case_and_quoting(world: World) -> None:
    value = world.answer()
    odd = value.replace(", ", " ,\t").replace("Digest ", "  dIGEST   ").replace("qop=auth", 'QOP = "auth"')
    odd = odd.replace("username=", "UserName =").replace("nc=00000001", 'nc="00000001"')
    odd = re.sub(r'response="(\w+)"', lambda m: f'response="{m[1].upper()}"', odd)
    assert world.verify(odd) == Verified("alice")


@given(st.lists(st.text(max_size=60), max_size=3))
@settings(max_examples=300, deadline=None)
def test_verify_of_noise_is_refused(values: list[str]) -> None:
    world = World()
    assert world.verify(*values, *(f"Digest {value}" for value in values)) == Refused()


@given(
    st.lists(
        st.tuples(st.integers(0, 200), st.sampled_from(list(' ",=\\;\x00é') + ["nc=", "realm", "auth"])), max_size=4
    )
)
@settings(max_examples=500, deadline=None)
def test_verify_of_damaged_answer_never_raises(edits: list[tuple[int, str]]) -> None:
    world = World()
    value = world.answer()
    for place, text in edits:
        value = value[:place] + text + value[place:]
    assert isinstance(world.verify(value), Verified | Refused)


def test_verify_after_ten_wrong_passwords_refuses_the_right_one_from_there_only(world: World) -> None:
    guard = GuessGuard(GuessLimits(), clock=world.clock)
    server = DigestAuthenticator(
        realm="example.com", secret=b"s", clock=world.clock, credentials=PASSWORDS.get, guard=guard
    )

    def attempt(password: str, source: str) -> Verified | Refused:
        value = world.answer(server.challenge(), password=password)
        return server.verify("REGISTER", [value], uri=URI, source=source)

    for number in range(10):
        assert isinstance(attempt(f"guess{number}", "192.0.2.1"), Refused)
    assert attempt("wonderland", "192.0.2.1") == Refused(attempted=True, username="alice")
    assert attempt("wonderland", "192.0.2.2") == Verified("alice")
    world.clock.now += 901
    assert attempt("wonderland", "192.0.2.1") == Verified("alice")


def test_answer_challenge_prefers_sha256_wherever_it_stands() -> None:
    sha, md5 = World().server.challenge()
    for challenges in ([sha, md5], [md5, sha]):
        assert "algorithm=SHA-256" in World().answer(challenges)


def test_answer_challenge_without_qop_answers_as_rfc_2069() -> None:
    value = answer_challenge(
        ['Digest realm="testrealm@host.com", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093"'],
        method="GET",
        uri="/dir/index.html",
        username="Mufasa",
        password="CircleOfLife",
    )
    answer = parse_digest(value)
    assert answer is not None
    assert answer["response"] == "1949323746fe6a43ef61f9606e7febea"
    assert not {"qop", "nc", "cnonce", "algorithm"} & answer.keys()


def test_answer_challenge_session_algorithm_mixes_in_the_nonces() -> None:
    challenge = 'Digest realm="r", nonce="n", algorithm=MD5-sess, qop="auth"'
    answer = parse_digest(
        answer_challenge([challenge], method="INVITE", uri="sip:x", username="u", password="p", cnonce="c")
    )
    assert answer is not None
    assert answer["algorithm"] == "MD5-sess"
    assert answer["response"] == "d0a24a48ca1ba67ae812ee449b617633"


@pytest.mark.parametrize(
    "challenges",
    [
        [],
        ["Basic realm=x"],
        ['Digest realm="r"'],
        ['Digest realm="r", nonce="n", algorithm=SHA-512'],
        ['Digest realm="r", nonce="n", qop="auth-int"'],
        ["Digest nonsense"],
    ],
)
def test_answer_challenge_that_cannot_be_answered_raises(challenges: list[str]) -> None:
    with pytest.raises(ChallengeError):
        answer_challenge(challenges, method="INVITE", uri="sip:x", username="u", password="p")
