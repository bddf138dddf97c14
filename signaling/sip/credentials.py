"""Answering challenges for one call of ours: only to the servers that were dialled, only for their realm.

Pure. A challenge that arrives from further along (a called party behind the trunk, a place the far end's Contact led
to) gets nothing, and neither does anybody on a call that came in. A nonce is answered once.
Source: RFC 3261 22.2, 22.3; RFC 8760; reliability check S-07.
"""

from signaling.sip.auth import ChallengeError, answer_challenge, parse_digest
from signaling.sip.dial_target import Credentials
from signaling.sip.message import Request, Response

MAX_ANSWERS = 4


class ChallengeAnswers:
    """The credentials of one leg and what became of them. Without credentials it answers nothing.

    The realm is the one configured, or else that of the first challenge and no other after it.
    """

    def __init__(self, credentials: Credentials | None) -> None:
        self._credentials = credentials
        self._realm = credentials.realm if credentials is not None else ""
        self._hosts: set[str] = set()
        self._answered: set[str] = set()

    def allow(self, host: str) -> None:
        """An address that the dialled target itself led to."""
        self._hosts.add(host)

    def answer(self, request: Request, response: Response, *, host: str) -> tuple[str, str] | None:
        """Header field for the next try of a request that went to ``host``, or None."""
        credentials = self._credentials
        if credentials is None or host not in self._hosts or len(self._answered) >= MAX_ANSWERS:
            return None
        is_proxy = response.code == 407
        challenges = []
        nonces = set()
        for value in response.headers.getlist("Proxy-Authenticate" if is_proxy else "WWW-Authenticate"):
            found = parse_digest(value)
            if found is None or found.get("realm", "") != (self._realm or found.get("realm", "")):
                continue
            nonce = found.get("nonce", "")
            if nonce in self._answered:
                return None
            nonces.add(nonce)
            challenges.append((found.get("realm", ""), value))
        if not challenges:
            return None
        realm = challenges[0][0]
        try:
            value = answer_challenge(
                [value for name, value in challenges if name == realm],
                method=request.method,
                uri=request.uri_text,
                username=credentials.username,
                password=credentials.password,
                body=request.body,
            )
        except ChallengeError:
            return None
        self._realm = realm
        self._answered |= nonces
        return "Proxy-Authorization" if is_proxy else "Authorization", value
