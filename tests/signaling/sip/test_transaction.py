"""Transactions: every state and event is decided, and the moves do what RFC 3261 17 and RFC 6026 say."""

import itertools

import pytest

from signaling.errors import UsageError
from signaling.sip.headers import Headers
from signaling.sip.message import Request, Response, respond
from signaling.sip.parser import parse_datagram
from signaling.sip.transaction import (
    CancelTimer,
    Deliver,
    Effect,
    Send,
    StartTimer,
    Terminated,
    TimedOut,
    TimerValues,
    Transaction,
    TransportFailed,
    ack_for_failure,
    cancel_for,
    client_key,
    server_key,
)
from signaling.sip.transaction_table import EVENTS, IGNORED, STATES, TIMERS, TRANSITIONS, Event, Kind, State, Step

VALUES = TimerValues()


def request(method: str = "INVITE", branch: str = "z9hG4bK1", **extra: str) -> Request:
    headers = Headers(
        [
            ("Via", f"SIP/2.0/UDP 192.0.2.1:5060;branch={branch}"),
            ("From", "<sip:alice@example.com>;tag=a"),
            ("To", "<sip:bob@example.com>"),
            ("Call-ID", "one@example.com"),
            ("CSeq", f"7 {method}"),
            *((name.replace("_", "-"), value) for name, value in extra.items()),
        ]
    )
    return Request(method, "sip:bob@example.com", headers=headers)


def made(kind: Kind, *, reliable: bool = False) -> Transaction:
    return Transaction(kind, key=("k",), reliable=reliable, values=VALUES)


def sent(effects: list[Effect]) -> list[bytes]:
    return [effect.octets.split(b"\r\n")[0] for effect in effects if isinstance(effect, Send)]


def started(effects: list[Effect]) -> dict[Event, float]:
    return {effect.timer: effect.after_s for effect in effects if isinstance(effect, StartTimer)}


def happen(transaction: Transaction, event: Event) -> list[Effect]:
    """Any event, through the public methods."""
    invite = request()
    messages: dict[Event, Request | Response] = {
        Event.PROVISIONAL: respond(invite, 180),
        Event.SUCCESS: respond(invite, 200, to_tag="b"),
        Event.FAILURE: respond(invite, 486, to_tag="b"),
        Event.REQUEST: invite,
        Event.ACK: request("ACK"),
    }
    if event in messages:
        return transaction.receive(messages[event])
    match event:
        case Event.SEND_PROVISIONAL:
            return transaction.send(respond(invite, 180))
        case Event.SEND_SUCCESS:
            return transaction.send(respond(invite, 200))
        case Event.SEND_FAILURE:
            return transaction.send(respond(invite, 486))
        case Event.TRANSPORT_ERROR:
            return transaction.fail()
        case _:
            return transaction.fire(event)


PAIRS = [
    (kind, state, event)
    for kind in Kind
    for state, event in itertools.product(STATES[kind], sorted(EVENTS[kind], key=lambda event: event.value))
]


@pytest.mark.parametrize(("kind", "state", "event"), PAIRS, ids=lambda value: value.name)
def test_transaction_every_state_and_event_is_decided(kind: Kind, state: State, event: Event) -> None:
    pair = (kind, state, event)
    assert (pair in TRANSITIONS) != (pair in IGNORED), "in the table or ignored on purpose, not both"


def test_transaction_table_holds_no_row_that_cannot_happen() -> None:
    for kind, state, event in [*TRANSITIONS, *IGNORED]:
        assert state in STATES[kind]
        assert event in EVENTS[kind] | TIMERS[kind]


def test_transaction_every_timer_that_is_started_has_a_row_where_it_fires() -> None:
    for (kind, _, _), move in TRANSITIONS.items():
        for step in move.steps:
            if not isinstance(step, Step) and step.timer not in (Event.TIMER_A, Event.TIMER_E):
                rows = [key for key in TRANSITIONS if key[0] is kind and key[2] is step.timer]
                assert rows, f"{step.timer.value} of {kind.value}"


@pytest.mark.parametrize(
    ("kind", "state", "event"),
    [
        (kind, state, event)
        for kind in Kind
        for state in STATES[kind]
        for event in sorted(EVENTS[kind] | TIMERS[kind], key=lambda event: event.value)
    ],
    ids=lambda value: value.name,
)
@pytest.mark.parametrize("reliable", [False, True], ids=["udp", "tcp"])
def test_transaction_does_what_its_row_says(kind: Kind, state: State, event: Event, *, reliable: bool) -> None:
    transaction = made(kind, reliable=reliable)
    if kind in (Kind.INVITE_CLIENT, Kind.CLIENT):
        transaction.start(request("INVITE" if kind is Kind.INVITE_CLIENT else "BYE"))
    transaction.state = state
    effects = happen(transaction, event)
    move = TRANSITIONS.get((kind, state, event))
    if move is None:
        assert effects == []
        assert transaction.state is state
        return
    ends_at_once = transaction.state is State.TERMINATED and move.to is not State.TERMINATED
    assert transaction.state is move.to or (reliable and ends_at_once)
    assert (Terminated() in effects) is (transaction.state is State.TERMINATED)
    assert (TimedOut() in effects) is (Step.TIMED_OUT in move.steps)
    assert (TransportFailed() in effects) is (Step.FAILED in move.steps)
    assert any(isinstance(effect, Deliver) for effect in effects) is (Step.DELIVER in move.steps)
    for event_again in EVENTS[kind] | TIMERS[kind]:
        if transaction.state is State.TERMINATED:
            assert happen(transaction, event_again) == []


@pytest.mark.parametrize("kind", list(Kind))
def test_transaction_event_of_another_kind_is_our_bug(kind: Kind) -> None:
    transaction = made(kind)
    foreign = Event.SEND_SUCCESS if kind in (Kind.INVITE_CLIENT, Kind.CLIENT) else Event.SUCCESS
    with pytest.raises(UsageError):
        happen(transaction, foreign)
    assert transaction.state is STATES[kind][0]


def test_invite_client_is_sent_again_twice_as_late_each_time_until_timer_b() -> None:
    transaction = made(Kind.INVITE_CLIENT)
    effects = transaction.start(request())
    assert sent(effects) == [b"INVITE sip:bob@example.com SIP/2.0"]
    assert started(effects) == {Event.TIMER_A: 0.5, Event.TIMER_B: 32.0}
    for interval_s in (1.0, 2.0, 4.0, 8.0, 16.0):
        effects = transaction.fire(Event.TIMER_A)
        assert sent(effects) == [b"INVITE sip:bob@example.com SIP/2.0"]
        assert started(effects) == {Event.TIMER_A: interval_s}
    assert transaction.fire(Event.TIMER_B) == [TimedOut(), Terminated()]


def test_client_is_sent_again_at_most_every_t2() -> None:
    transaction = made(Kind.CLIENT)
    assert started(transaction.start(request("BYE"))) == {Event.TIMER_E: 0.5, Event.TIMER_F: 32.0}
    waits = [started(transaction.fire(Event.TIMER_E))[Event.TIMER_E] for _ in range(5)]
    assert waits == [1.0, 2.0, 4.0, 4.0, 4.0]
    transaction.receive(respond(request("BYE"), 100))
    assert started(transaction.fire(Event.TIMER_E)) == {Event.TIMER_E: 4.0}


def test_client_over_tcp_repeats_nothing_and_ends_with_its_answer() -> None:
    transaction = made(Kind.CLIENT, reliable=True)
    assert started(transaction.start(request("BYE"))) == {Event.TIMER_F: 32.0}
    answer = respond(request("BYE"), 200)
    assert transaction.receive(answer) == [
        CancelTimer(Event.TIMER_E),
        CancelTimer(Event.TIMER_F),
        Deliver(answer),
        Terminated(),
    ]


def test_invite_client_acknowledges_a_refusal_and_each_copy_of_it() -> None:
    transaction = made(Kind.INVITE_CLIENT)
    transaction.start(request(Route="<sip:proxy.example.com;lr>"))
    refusal = respond(request(), 486, to_tag="b")
    effects = transaction.receive(refusal)
    assert Deliver(refusal) in effects
    assert started(effects) == {Event.TIMER_D: 32.0}
    first = [effect for effect in effects if isinstance(effect, Send)]
    ack = parse_datagram(first[0].octets)
    assert isinstance(ack, Request)
    assert (ack.method, ack.branch, ack.to_tag, ack.headers.get("Route")) == (
        "ACK",
        "z9hG4bK1",
        "b",
        "<sip:proxy.example.com;lr>",
    )
    assert transaction.receive(refusal) == first


def test_invite_client_hands_up_every_success_until_timer_m() -> None:
    transaction = made(Kind.INVITE_CLIENT)
    transaction.start(request())
    for tag in ("b", "c", "b"):
        answer = respond(request(), 200, to_tag=tag)
        assert Deliver(answer) in transaction.receive(answer)
    assert transaction.receive(respond(request(), 180)) == []
    assert transaction.fire(Event.TIMER_M) == [Terminated()]


def test_invite_server_repeats_the_last_provisional_for_each_copy() -> None:
    transaction = made(Kind.INVITE_SERVER)
    assert transaction.receive(request()) == [], "nothing was answered yet"
    transaction.send(respond(request(), 100))
    transaction.send(respond(request(), 180))
    assert sent(transaction.receive(request())) == [b"SIP/2.0 180 Ringing"]


def test_invite_server_repeats_a_refusal_until_ack() -> None:
    transaction = made(Kind.INVITE_SERVER)
    effects = transaction.send(respond(request(), 486))
    assert started(effects) == {Event.TIMER_G: 0.5, Event.TIMER_H: 32.0}
    waits = [started(transaction.fire(Event.TIMER_G))[Event.TIMER_G] for _ in range(5)]
    assert waits == [1.0, 2.0, 4.0, 4.0, 4.0]
    assert started(transaction.receive(request("ACK"))) == {Event.TIMER_I: 5.0}
    assert transaction.receive(request("ACK")) == []
    assert transaction.fire(Event.TIMER_I) == [Terminated()]


def test_invite_server_leaves_repeating_a_success_to_its_owner() -> None:
    transaction = made(Kind.INVITE_SERVER)
    assert started(transaction.send(respond(request(), 200))) == {Event.TIMER_L: 32.0}
    assert transaction.receive(request()) == []
    ack = request("ACK")
    assert transaction.receive(ack) == [Deliver(ack)]


def test_server_answers_each_copy_with_its_final_answer() -> None:
    transaction = made(Kind.SERVER)
    assert transaction.receive(request("BYE")) == []
    transaction.send(respond(request("BYE"), 200))
    assert sent(transaction.receive(request("BYE"))) == [b"SIP/2.0 200 OK"]
    assert transaction.send(respond(request("BYE"), 500)) == [], "one final answer only"
    assert transaction.fire(Event.TIMER_J) == [Terminated()]


def test_keys_match_ack_to_its_invite_but_not_cancel() -> None:
    assert server_key(request("ACK")) == server_key(request())
    assert server_key(request("CANCEL")) != server_key(request())
    assert client_key(respond(request(), 180)) == client_key(request())
    assert client_key(respond(request("CANCEL"), 200)) != client_key(respond(request(), 200))


def test_keys_tell_two_senders_with_the_same_branch_apart() -> None:
    other = request()
    other.headers.set("Via", "SIP/2.0/UDP 192.0.2.9:5060;branch=z9hG4bK1")
    assert server_key(Request("INVITE", other.uri_text, headers=other.headers)) != server_key(request())


def test_keys_of_a_peer_of_rfc_2543_use_the_whole_identity_of_the_request() -> None:
    old = request(branch="1")
    again = request(branch="1")
    other = request(branch="1")
    other.headers.set("Call-ID", "two@example.com")
    assert server_key(old) == server_key(again) != server_key(other)


def test_cancel_and_ack_keep_what_ties_them_to_the_invite() -> None:
    invite = request(Route="<sip:p.example.com;lr>", Authorization="Digest x=1")
    cancel = cancel_for(invite)
    assert (cancel.branch, cancel.cseq.sequence, cancel.cseq.method, cancel.to_tag) == ("z9hG4bK1", 7, "CANCEL", "")
    assert cancel.headers.get("Route") == "<sip:p.example.com;lr>"
    assert "Authorization" not in cancel.headers
    refusal = Response(404, headers=Headers([("To", "<sip:bob@example.com>;tag=z")]))
    assert ack_for_failure(invite, refusal).to_tag == "z"
