"""Sessions of the console: what ends them, and how many there may be."""

import hashlib

from gateway.console.sessions import IDLE_S, LONGEST_S, MOST_IN_ALL, MOST_SESSIONS, Session, Sessions

ACCOUNT = "AC" + "0" * 32


class Rig:
    def __init__(self) -> None:
        self.now = 100.0
        self.secret = "letmein"
        self.sessions = Sessions(clock=lambda: self.now, still_holds=self._holds)

    def _holds(self, session: Session) -> bool:
        return session.proof == hashlib.sha256(self.secret.encode()).digest()

    def begin(self, account: str = ACCOUNT) -> str:
        return self.sessions.begin(account_sid=account, user=account, secret="letmein")


def test_session_is_found_by_its_cookie_alone() -> None:
    rig = Rig()
    cookie, other = rig.begin(), rig.begin("AC" + "1" * 32)
    found = rig.sessions.find(cookie)
    assert found is not None and found.account_sid == ACCOUNT
    assert cookie != other and len(cookie) >= 43
    for wrong in (None, "", cookie[:-1], cookie + "x", "\udc80"):
        assert rig.sessions.find(wrong) is None


def test_session_that_is_not_used_ends() -> None:
    rig = Rig()
    cookie = rig.begin()
    rig.now += IDLE_S - 1
    assert rig.sessions.find(cookie) is not None
    rig.now += IDLE_S - 1
    assert rig.sessions.find(cookie, is_use=False) is not None
    rig.now += 2
    assert rig.sessions.find(cookie) is None
    assert len(rig.sessions) == 0


def test_session_that_is_used_all_the_time_ends_as_well() -> None:
    rig = Rig()
    cookie = rig.begin()
    for _ in range(int(LONGEST_S / 1800)):
        assert rig.sessions.find(cookie) is not None
        rig.now += 1800
    rig.now += 1
    assert rig.sessions.find(cookie) is None


def test_session_ends_with_the_credentials_it_was_made_with() -> None:
    rig = Rig()
    cookie = rig.begin()
    rig.secret = "changed"
    assert rig.sessions.find(cookie) is None
    rig.secret = "letmein"
    assert rig.sessions.find(cookie) is None, "it came back"


def test_session_ends_at_log_out() -> None:
    rig = Rig()
    cookie, other = rig.begin(), rig.begin()
    rig.sessions.end(cookie)
    rig.sessions.end(None)
    assert rig.sessions.find(cookie) is None and rig.sessions.find(other) is not None


def test_sessions_of_an_account_are_bounded_and_the_one_used_longest_ago_goes() -> None:
    rig = Rig()
    other = rig.begin("AC" + "1" * 32)
    cookies = []
    for _ in range(MOST_SESSIONS):
        cookies.append(rig.begin())
        rig.now += 1
    assert rig.sessions.find(cookies[0]) is not None
    rig.begin()
    assert rig.sessions.find(cookies[0]) is not None
    assert rig.sessions.find(cookies[1]) is None
    assert rig.sessions.find(other) is not None


def test_sessions_in_all_are_bounded() -> None:
    rig = Rig()
    for number in range(MOST_IN_ALL + 5):
        rig.begin(f"AC{number:032}")
    assert len(rig.sessions) == MOST_IN_ALL
