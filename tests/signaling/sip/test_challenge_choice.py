"""Which challenges a phone gets: SHA-256 where it can, what it can cope with where not."""

from dataclasses import dataclass

import pytest

from signaling.sip.challenge_choice import (
    MD5_FIRST,
    MD5_ONLY,
    STRONGEST_FIRST,
    Algorithm,
    ChallengeChoice,
    Challenged,
)


@dataclass
class Clock:
    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def choice(clock: Clock) -> ChallengeChoice:
    return ChallengeChoice(clock=clock, limit=100)


def phone(user_agent: str = "Some Phone 1.0", *, username: str = "alice", has_answered: bool = False) -> Challenged:
    return Challenged(source="192.0.2.1", username=username, user_agent=user_agent, has_answered=has_answered)


@pytest.mark.parametrize(
    ("user_agent", "expected"),
    [
        ("Linphone Desktop/5.0.2", STRONGEST_FIRST),
        ("PJSUA v2.15.1 Linux", STRONGEST_FIRST),
        ("baresip v1.0.0 (x86_64/linux)", MD5_ONLY),
        ("baresip v3.10.1 (x86_64/Linux)", STRONGEST_FIRST),
        ("Asterisk PBX 18.5.0", MD5_FIRST),
        ("FreeSWITCH-mod_sofia/1.10.6-release", MD5_FIRST),
        ("", MD5_FIRST),
    ],
)
def test_first_challenge_suits_the_vendor(
    choice: ChallengeChoice, user_agent: str, expected: tuple[Algorithm, ...]
) -> None:
    assert choice.algorithms(phone(user_agent)) == expected


def test_phone_that_comes_back_without_an_answer_gets_md5_alone_for_good(choice: ChallengeChoice, clock: Clock) -> None:
    assert choice.algorithms(phone()) == STRONGEST_FIRST
    clock.now += 4
    assert choice.algorithms(phone()) == STRONGEST_FIRST, "a copy, because our answer was lost"
    clock.now += 26
    assert choice.algorithms(phone()) == MD5_ONLY
    choice.answered(source="192.0.2.1", username="alice")
    clock.now += 3600
    assert choice.algorithms(phone()) == MD5_ONLY
    assert choice.algorithms(phone(has_answered=True)) == MD5_ONLY
    assert choice.algorithms(phone(username="bob")) == STRONGEST_FIRST


def test_phone_that_answers_keeps_sha256(choice: ChallengeChoice, clock: Clock) -> None:
    for _ in range(10):
        assert choice.algorithms(phone()) == STRONGEST_FIRST
        choice.answered(source="192.0.2.1", username="alice")
        clock.now += 60


def test_phone_with_a_wrong_password_is_not_mistaken_for_one_that_cannot(choice: ChallengeChoice, clock: Clock) -> None:
    for _ in range(10):
        assert choice.algorithms(phone()) == STRONGEST_FIRST
        choice.answered(source="192.0.2.1", username="alice")
        assert choice.algorithms(phone(has_answered=True)) == STRONGEST_FIRST
        clock.now += 60


def test_tables_are_bounded(choice: ChallengeChoice, clock: Clock) -> None:
    for _ in range(2):
        for index in range(1000):
            choice.algorithms(phone(username=str(index)))
        clock.now += 60
    for index in range(90):
        choice.algorithms(phone(username=str(index)))
        clock.now += 6
        choice.algorithms(phone(username=str(index)))
    assert len(choice._unanswered_since) <= 100
    assert len(choice._single) <= 100
