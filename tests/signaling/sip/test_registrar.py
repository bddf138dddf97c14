"""REGISTER: who may, what it binds, and how a bound device is dialled. Source: RFC 3261 10.3."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from signaling.leg import Leg, OutboundCall, Party
from signaling.sip.auth import DigestAuthenticator, answer_challenge
from signaling.sip.bindings import Binding, BindingChange
from signaling.sip.dial_target import DialTarget
from signaling.sip.flow import Flow
from signaling.sip.message import Request, Response, SipParseError
from signaling.sip.parser import parse_datagram
from signaling.sip.registrar import Registrar, RegistrarSettings

LOCAL = ("127.0.0.1", 5060)
PASSWORDS = {"alice": "wonderland", "bob": "builder", "çelik": "x"}
CALL = OutboundCall(
    call_sid="CA1", account_sid="AC1", caller=Party(address="+15550100"), callee=Party(address="client:alice")
)


@dataclass
class Clock:
    now: float = 5000.25

    def __call__(self) -> float:
        return self.now


def udp(port: int = 40000, source: str = "198.51.100.7") -> Flow:
    return Flow("udp", LOCAL, (source, port), reply_to=(source, port))


def tcp(connection: int, port: int = 50000) -> Flow:
    return Flow("tcp", LOCAL, ("198.51.100.7", port), connection)


@dataclass
class World:
    """A registrar and the phones in front of it."""

    clock: Clock = field(default_factory=Clock)
    changes: list[tuple[str, BindingChange]] = field(default_factory=list)
    dialled: list[DialTarget] = field(default_factory=list)
    sequence: int = 0

    def __post_init__(self) -> None:
        self.authenticator = DigestAuthenticator(
            realm="example.com", secret=b"s", clock=self.clock, credentials=PASSWORDS.get
        )
        self.registrar = Registrar(
            settings=RegistrarSettings(domain="example.com"),
            authenticator=self.authenticator,
            dial=self._dial,
            clock=self.clock,
            wall_clock=lambda: 1_700_000_000.0,
            on_change=self._change,
        )

    def _dial(self, target: DialTarget, request: OutboundCall) -> Leg:
        self.dialled.append(target)
        raise NotImplementedError

    def _change(self, binding: Binding, change: BindingChange) -> None:
        assert (binding in self.registrar.bindings(binding.identity)) == (change is BindingChange.REGISTERED)
        self.changes.append((binding.contact, change))

    def request(
        self,
        contacts: Sequence[str] = (),
        *,
        user: str = "alice",
        from_user: str = "",
        call_id: str = "call-1",
        sequence: int | None = None,
        via: str = "SIP/2.0/UDP 10.0.0.5:5060;rport;branch=z9hG4bK1",
        fields: Sequence[str] = (),
    ) -> Request:
        self.sequence += 1
        lines = [
            "REGISTER sip:example.com SIP/2.0",
            f"Via: {via}",
            f"From: <sip:{from_user or user}@example.com>;tag=1",
            f"To: <sip:{user}@example.com>",
            f"Call-ID: {call_id}",
            f"CSeq: {self.sequence if sequence is None else sequence} REGISTER",
            "Max-Forwards: 70",
            "User-Agent: test phone",
            *(f"Contact: {contact}" for contact in contacts),
            *fields,
            "Content-Length: 0",
            "",
            "",
        ]
        request = parse_datagram("\r\n".join(lines).encode())
        assert isinstance(request, Request)
        return request

    def authorised(self, request: Request, *, username: str = "alice", password: str | None = None) -> Request:
        answer = answer_challenge(
            self.authenticator.challenge(),
            method="REGISTER",
            uri="sip:example.com",
            username=username,
            password=PASSWORDS[username] if password is None else password,
        )
        request.headers.add("Authorization", answer)
        return request

    def register(
        self, *contacts: str, flow: Flow | None = None, fields: Sequence[str] = (), **rest: object
    ) -> Response:
        user = str(rest.get("user", "alice"))
        request = self.request(contacts, fields=fields, **rest)  # type: ignore[arg-type]
        return self.registrar.handle(self.authorised(request, username=user), flow or udp())

    def held(self, identity: str = "alice") -> list[str]:
        return [binding.contact for binding in self.registrar.bindings(identity)]


@pytest.fixture
def world() -> World:
    return World()


def contacts(response: Response) -> list[str]:
    return response.headers.getlist("Contact")


# Who may


def test_register_without_login_is_challenged_and_keeps_nothing(world: World) -> None:
    response = world.registrar.handle(world.request(["<sip:alice@10.0.0.5>"]), udp())
    assert response.code == 401
    first, second = response.headers.getlist("WWW-Authenticate")
    assert "SHA-256" in first and "MD5" in second
    assert response.to_tag
    assert not world.held()


def test_register_unknown_user_and_wrong_password_get_the_same_answer(world: World) -> None:
    answers = []
    for user, password in (("alice", "wrong"), ("nobody", "wrong")):
        request = world.request(["<sip:x@10.0.0.5>"], user=user)
        response = world.registrar.handle(world.authorised(request, username=user, password=password), udp())
        text = re.sub(r'tag=\w+|nonce="[^"]+"|CSeq: \d+', "", str(response.headers).replace(user, "USER"))
        answers.append((response.code, text))
    assert answers[0] == answers[1]
    assert answers[0][0] == 401


@pytest.mark.parametrize(("user", "from_user"), [("bob", "alice"), ("alice", "bob"), ("bob", "bob")])
def test_register_for_somebody_else_is_forbidden(world: World, user: str, from_user: str) -> None:
    request = world.request(["<sip:x@10.0.0.5>"], user=user, from_user=from_user)
    assert world.registrar.handle(world.authorised(request, username="alice"), udp()).code == 403
    assert not world.held("bob") and not world.held("alice")


def test_register_identity_is_compared_unescaped(world: World) -> None:
    request = world.request(["<sip:x@10.0.0.5>"], user="%C3%A7elik")
    assert world.registrar.handle(world.authorised(request, username="çelik"), udp()).code == 200
    assert world.held("çelik")


def test_register_stale_nonce_is_told(world: World) -> None:
    request = world.authorised(world.request(["<sip:alice@10.0.0.5>"]))
    world.clock.now += 400
    response = world.registrar.handle(request, udp())
    assert response.code == 401
    assert "stale=true" in response.headers.getlist("WWW-Authenticate")[0]


def test_register_with_unknown_requirement_is_refused(world: World) -> None:
    response = world.register("<sip:alice@10.0.0.5>", fields=["Require: gruu, path, outbound"])
    assert response.code == 420
    assert response.headers.get("Unsupported") == "gruu, outbound"


# What it binds


def test_register_binds_contact_to_the_flow_it_came_by(world: World) -> None:
    flow = udp()
    response = world.register('"Alice" <sip:alice@10.0.0.5:5060;ob>;expires=600', flow=flow)
    assert response.code == 200
    assert contacts(response) == ["<sip:alice@10.0.0.5:5060;ob>;expires=600"]
    assert response.headers.get("Date") == "Tue, 14 Nov 2023 22:13:20 GMT"
    (binding,) = world.registrar.bindings("alice")
    assert binding.flow == flow and binding.user_agent == "test phone"
    assert binding.device == "sip:alice@198.51.100.7"
    assert world.registrar.identities == ("alice",)


def test_device_is_dialled_at_its_contact_over_its_flow(world: World) -> None:
    world.register("<sip:alice@10.0.0.5;transport=tcp>", flow=tcp(7))
    (device,) = world.registrar.devices("alice")
    assert device.device_id == "sip:alice@198.51.100.7:50000;transport=tcp"
    with pytest.raises(NotImplementedError):
        device.dial(CALL)
    assert world.dialled == [
        DialTarget(
            request_uri="sip:alice@10.0.0.5;transport=tcp",
            to_uri="sip:alice@example.com",
            device="sip:alice@198.51.100.7",
            flow=tcp(7),
            identity="alice",
        )
    ]
    assert not world.registrar.devices("bob")


def test_register_without_contact_lists_the_bindings(world: World) -> None:
    world.register("<sip:alice@10.0.0.5>;expires=600", call_id="a")
    world.register("<sip:alice@10.0.0.6>;expires=900", call_id="b")
    world.clock.now += 100
    assert contacts(world.register()) == ["<sip:alice@10.0.0.5>;expires=500", "<sip:alice@10.0.0.6>;expires=800"]
    assert contacts(world.register(user="bob")) == []


@pytest.mark.parametrize(
    ("contact", "header", "granted"),
    [
        ("<sip:a@10.0.0.5>", None, 3600),
        ("<sip:a@10.0.0.5>", "1800", 1800),
        ("<sip:a@10.0.0.5>;expires=120", "1800", 120),
        ("<sip:a@10.0.0.5>;expires=99999", None, 3600),
        ("<sip:a@10.0.0.5>;expires=" + "9" * 50, None, 3600),
        ("<sip:a@10.0.0.5>;expires=soon", "600", 600),
        ("<sip:a@10.0.0.5>", "later", 3600),
        ("sip:a@10.0.0.5;expires=90", None, 90),
    ],
)
def test_register_expiry_is_taken_from_contact_then_header_then_default(
    world: World, contact: str, header: str | None, granted: int
) -> None:
    response = world.register(contact, fields=[f"Expires: {header}"] if header else [])
    assert contacts(response) == [f"<sip:a@10.0.0.5>;expires={granted}"]


def test_register_too_briefly_is_refused_with_the_least(world: World) -> None:
    response = world.register("<sip:a@10.0.0.5>;expires=600", "<sip:a@10.0.0.6>;expires=29")
    assert response.code == 423
    assert response.headers.get("Min-Expires") == "30"
    assert not world.held(), "all or nothing"


def test_register_again_renews_and_keeps_its_place(world: World) -> None:
    world.register("<sip:a@10.0.0.5>;expires=100", call_id="a")
    world.register("<sip:a@10.0.0.6>;expires=100", call_id="b")
    world.clock.now += 60
    world.register("<sip:a@10.0.0.5>;expires=100", call_id="a")
    world.clock.now += 60
    world.registrar.sweep()
    assert world.held() == ["sip:a@10.0.0.5"]
    assert world.changes == [
        ("sip:a@10.0.0.5", BindingChange.REGISTERED),
        ("sip:a@10.0.0.6", BindingChange.REGISTERED),
        ("sip:a@10.0.0.6", BindingChange.EXPIRED),
    ]


def test_binding_is_not_given_out_after_its_time_even_before_the_sweep(world: World) -> None:
    world.register("<sip:a@10.0.0.5>;expires=60")
    world.clock.now += 60
    assert not world.registrar.devices("alice")
    world.registrar.sweep()
    assert world.registrar.is_registered_source("198.51.100.7")
    world.clock.now += 1
    world.registrar.sweep()
    assert not world.registrar.is_registered_source("198.51.100.7")
    assert world.registrar.identities == ()


def test_register_same_contact_in_another_spelling_is_one_binding(world: World) -> None:
    world.register("<sip:a@Phone.Example.com:5060;transport=UDP>", call_id="a")
    world.register("<SIP:a@phone.example.com:5060;transport=udp;line=xyz>", call_id="b")
    assert world.held() == ["SIP:a@phone.example.com:5060;transport=udp;line=xyz"]
    world.register("<sip:a@phone.example.com:5062;transport=udp>", call_id="c")
    assert len(world.held()) == 2


def test_register_same_instance_replaces_the_address_it_had(world: World) -> None:
    """R-10: a phone that restarted is reachable at once, and only where it is now."""
    world.register('<sip:a@10.0.0.5:1111>;+sip.instance="<urn:uuid:1>";reg-id=1', flow=udp(1111), call_id="a")
    response = world.register(
        '<sip:a@10.0.0.5:2222>;reg-id=2;+sip.instance="<urn:uuid:1>"', flow=udp(2222), call_id="b"
    )
    assert contacts(response) == ['<sip:a@10.0.0.5:2222>;expires=3600;+sip.instance="<urn:uuid:1>"']
    assert [change for _, change in world.changes] == [
        BindingChange.REGISTERED,
        BindingChange.REPLACED,
        BindingChange.REGISTERED,
    ]


def test_register_moving_a_contact_removes_the_old_one_in_the_same_request(world: World) -> None:
    """pjsua and Linphone, once they learned their public address from the Via."""
    instance = ';+sip.instance="<urn:uuid:1>"'
    world.register("<sip:a@10.0.0.5>" + instance)
    world.register("<sip:a@198.51.100.7:40000>" + instance, "<sip:a@10.0.0.5>;expires=0" + instance)
    assert world.held() == ["sip:a@198.51.100.7:40000"]
    world.register("<sip:a@198.51.100.7:40000>;expires=0")
    assert world.held() == ["sip:a@198.51.100.7:40000"], "without its instance it is another device's"
    world.register("<sip:a@198.51.100.7:40000>;expires=0" + instance)
    assert world.held() == []


def test_register_several_contacts_at_once(world: World) -> None:
    response = world.register('"Smith, Al" <sip:a@10.0.0.5>, <sip:a@10.0.0.6>;expires=90', "sips:a@10.0.0.7")
    assert response.code == 200
    assert world.held() == ["sip:a@10.0.0.5", "sip:a@10.0.0.6", "sips:a@10.0.0.7"]


def test_register_star_removes_all_only_with_expires_0(world: World) -> None:
    world.register("<sip:a@10.0.0.5>", call_id="a")
    world.register("<sip:a@10.0.0.6>", call_id="b")
    assert world.register("*").code == 400
    assert world.register("*", fields=["Expires: 60"]).code == 400
    assert world.register("*", "<sip:a@10.0.0.7>", fields=["Expires: 0"]).code == 400
    assert len(world.held()) == 2
    response = world.register("*", fields=["Expires: 0"], call_id="c")
    assert response.code == 200 and contacts(response) == []
    assert world.held() == []
    assert [change for _, change in world.changes[2:]] == [BindingChange.UNREGISTERED] * 2


def test_register_older_request_of_the_same_call_changes_nothing(world: World) -> None:
    world.register("<sip:a@10.0.0.5>", sequence=10)
    assert world.register("<sip:a@10.0.0.5>;expires=0", sequence=9).code == 500
    assert world.register("<sip:a@10.0.0.5>", sequence=10, flow=udp(9)).code == 500
    world.register("*", sequence=9, fields=["Expires: 0"])
    assert world.held()
    assert world.register("<sip:a@10.0.0.5>;expires=0", sequence=11).code == 200
    assert not world.held()


def test_register_other_call_id_may_have_any_sequence(world: World) -> None:
    """R-10: a phone that restarted counts from 1 again, with a new Call-ID."""
    world.register("<sip:a@10.0.0.5>", sequence=1000, call_id="before")
    assert world.register("<sip:a@10.0.0.5>", sequence=1, call_id="after", flow=udp(2)).code == 200
    assert world.registrar.bindings("alice")[0].flow == udp(2)


def test_register_eleventh_device_pushes_out_the_one_refreshed_longest_ago(world: World) -> None:
    for index in range(10):
        world.register(f"<sip:a@10.0.0.{index}>", call_id=str(index))
        world.clock.now += 1
    world.register("<sip:a@10.0.0.0>", call_id="0")
    world.clock.now += 1
    world.register("<sip:a@10.0.0.99>", call_id="99")
    assert len(world.held()) == 10
    assert "sip:a@10.0.0.1" not in world.held()
    assert world.changes[-2:] == [
        ("sip:a@10.0.0.1", BindingChange.PUSHED_OUT),
        ("sip:a@10.0.0.99", BindingChange.REGISTERED),
    ]


def test_connection_that_closes_takes_its_devices_with_it(world: World) -> None:
    world.register("<sip:a@10.0.0.5;transport=tcp>", flow=tcp(1), call_id="a")
    world.register("<sip:b@10.0.0.6;transport=tcp>", flow=tcp(1), call_id="b", user="bob")
    world.register("<sip:a@10.0.0.7;transport=tcp>", flow=tcp(2), call_id="c")
    world.register("<sip:a@10.0.0.8>", flow=udp(), call_id="d")
    world.registrar.flow_closed(tcp(1))
    world.registrar.flow_closed(tcp(99))
    world.registrar.flow_closed(udp())
    assert world.held() == ["sip:a@10.0.0.7;transport=tcp", "sip:a@10.0.0.8"]
    assert world.held("bob") == []


def test_connection_that_closes_after_the_device_came_back_by_another_leaves_it(world: World) -> None:
    world.register("<sip:a@10.0.0.5;transport=tcp>", flow=tcp(1))
    world.register("<sip:a@10.0.0.5;transport=tcp>", flow=tcp(2))
    world.registrar.flow_closed(tcp(1))
    assert [binding.flow for binding in world.registrar.bindings("alice")] == [tcp(2)]


def test_register_by_cisco_that_listens_on_another_port_is_called_there(world: World) -> None:
    via = "SIP/2.0/UDP 198.51.100.7:5060;branch=z9hG4bK1"
    world.register("<sip:a@198.51.100.7:5060;transport=udp>", flow=udp(49152), via=via)
    assert world.registrar.bindings("alice")[0].flow.remote == ("198.51.100.7", 5060)
    world.register("<sip:a@10.0.0.5:5060>", flow=udp(49152), via=via, call_id="behind-nat")
    assert world.registrar.bindings("alice")[1].flow.remote == ("198.51.100.7", 49152)


def test_register_path_is_kept_and_told_back(world: World) -> None:
    response = world.register(
        "<sip:a@10.0.0.5>", fields=["Path: <sip:edge1.example.com;lr>, <sip:edge2.example.com;lr>", "Supported: path"]
    )
    paths = ["<sip:edge1.example.com;lr>", "<sip:edge2.example.com;lr>"]
    assert response.headers.getlist("Path") == paths
    assert world.registrar.bindings("alice")[0].path == tuple(paths)
    with pytest.raises(NotImplementedError):
        world.registrar.devices("alice")[0].dial(CALL)
    assert world.dialled[0].route == tuple(paths)


@pytest.mark.parametrize(
    "contact",
    ["<mailto:a@example.com>", "<tel:+15550100>", "<sip:a@10.0.0.5", "", "<>", "<sip:a@10.0.0.5>;expires=1;expires=2"],
)
def test_register_contact_nobody_could_call_is_refused(world: World, contact: str) -> None:
    assert world.register(contact).code == 400
    assert not world.held()


def test_register_of_a_hundred_contacts_is_refused(world: World) -> None:
    assert world.register(*(f"<sip:a@10.0.0.{index}>" for index in range(100))).code == 400
    assert not world.held()


def test_register_contact_of_great_length_is_refused(world: World) -> None:
    assert world.register(f"<sip:a@10.0.0.5;x={'y' * 1100}>").code == 400


_CONTACTS = st.sampled_from(
    [
        "*",
        "<sip:a@10.0.0.1>",
        "<sip:a@10.0.0.2>;expires=0",
        '<sip:a@10.0.0.2>;+sip.instance="<urn:uuid:1>"',
        '<sip:a@10.0.0.3>;expires=40;+sip.instance="<urn:uuid:1>"',
        "<sip:a@10.0.0.3>;expires=60",
        "<sip:a@10.0.0.1>;expires=5",
    ]
)


@given(
    st.lists(
        st.tuples(
            st.lists(_CONTACTS, max_size=3),
            st.sampled_from(["a", "b"]),
            st.integers(0, 3),
            st.integers(0, 50),
            st.sampled_from(["", "Expires: 0"]),
        ),
        max_size=20,
    )
)
@settings(max_examples=200, deadline=None)
def test_registrar_tables_agree_after_any_schedule(steps: list[tuple[list[str], str, int, int, str]]) -> None:
    world = World()
    for written, call_id, connection, pause, header in steps:
        flow = tcp(connection) if connection else udp()
        assert world.register(*written, call_id=call_id, flow=flow, fields=[header] if header else []).code < 600
        world.clock.now += pause
        world.registrar.sweep()
        if pause == 7:
            world.registrar.flow_closed(tcp(1))
    world.registrar.sweep()
    table = world.registrar._table
    everything = [binding for known in table._bindings.values() for binding in known.values()]
    assert len(everything) <= 10
    assert {place for places in table._due.values() for place in places} == {item.place for item in everything}
    assert sum(table._sources.values()) == len(everything)
    world.clock.now += 4000
    world.registrar.sweep()
    assert not (table._bindings or table._due or table._sources or table._by_connection)


@given(st.text(max_size=80), st.text(max_size=20))
@settings(max_examples=300, deadline=None)
def test_registrar_answers_any_contact(contact: str, expires: str) -> None:
    world = World()
    try:
        request = world.request([contact], fields=[f"Expires: {expires}"])
    except SipParseError:
        return
    assert world.registrar.handle(world.authorised(request), udp()).code in (200, 400, 423, 500)


async def test_registrar_sweeps_by_itself_until_stopped(world: World) -> None:
    world.registrar.start()
    world.registrar.stop()
    world.registrar.stop()
