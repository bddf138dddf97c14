"""Dialogs: what both ends know after the first answer, and the requests that follow from it."""

import pytest

from signaling.sip.dialog import Dialog, DialogId
from signaling.sip.message import SipParseError
from tests.signaling.sip.messages import CALLED, CALLER, request, response

OURS = "<sip:192.0.2.100:5060>"
CONTACT = ("Contact", '"Bob, B" <sip:bob@192.0.2.9:5080;ob;gr=urn:uuid:1%2B>;expires=60')
ROUTES = [
    ("Record-Route", "<sip:p1.example.com;lr>, <sip:p2.example.com;lr=on>"),
    ("Record-Route", "<sip:p3.example.com;lr>"),
]


def called() -> Dialog:
    return Dialog.of_request(
        request(fields=[("Contact", "<sip:alice@192.0.2.1;transport=tcp>"), *ROUTES]), local_tag="L", local_contact=OURS
    )


def calling(*, fields: list[tuple[str, str]] | None = None) -> Dialog:
    return Dialog.of_response(
        request(), response(200, fields=[CONTACT, *ROUTES] if fields is None else fields), local_contact=OURS
    )


def test_dialog_of_the_called_side_keeps_the_routes_in_order() -> None:
    dialog = called()
    assert dialog.id == DialogId("one@example.com", "L", "a+1")
    assert dialog.remote_target == "sip:alice@192.0.2.1;transport=tcp"
    assert dialog.route_set == ("<sip:p1.example.com;lr>", "<sip:p2.example.com;lr=on>", "<sip:p3.example.com;lr>")
    assert dialog.next_hop == "sip:p1.example.com;lr"


def test_dialog_of_the_calling_side_turns_the_routes_round() -> None:
    dialog = calling()
    assert dialog.id == DialogId("one@example.com", "a+1", "b*2")
    assert dialog.route_set == ("<sip:p3.example.com;lr>", "<sip:p2.example.com;lr=on>", "<sip:p1.example.com;lr>")


def test_dialog_request_echoes_both_parties_to_the_letter() -> None:
    bye = called().request("BYE")
    assert bye.headers.get("From") == f"{CALLED};tag=L"
    assert bye.headers.get("To") == CALLER
    assert (bye.call_id, bye.cseq.sequence, bye.cseq.method, bye.uri_text) == (
        "one@example.com",
        1,
        "BYE",
        "sip:alice@192.0.2.1;transport=tcp",
    )
    assert len(bye.headers.getlist("Route")) == 3


def test_dialog_requests_count_on_from_the_invite() -> None:
    dialog = calling(fields=[CONTACT])
    assert [dialog.request(method).cseq.sequence for method in ("UPDATE", "BYE")] == [8, 9]
    assert dialog.acknowledge(7).cseq.sequence == 7
    assert dialog.request("INVITE").uri_text == "sip:bob@192.0.2.9:5080;ob;gr=urn:uuid:1%2B"


def test_dialog_goes_through_a_strict_router() -> None:
    dialog = calling(fields=[CONTACT, ("Record-Route", "<sip:p2.example.com;lr>, <sip:old.example.com>")])
    bye = dialog.request("BYE")
    assert bye.uri_text == "sip:old.example.com"
    assert bye.headers.getlist("Route") == ["<sip:p2.example.com;lr>", "<sip:bob@192.0.2.9:5080;ob;gr=urn:uuid:1%2B>"]


@pytest.mark.parametrize("sequence", [7, 6, 1])
def test_dialog_request_out_of_order_is_a_500(sequence: int) -> None:
    dialog = called()
    with pytest.raises(SipParseError) as caught:
        dialog.take(request("BYE", sequence=sequence))
    assert caught.value.status == 500
    dialog.take(request("BYE", sequence=8))
    dialog.take(request("BYE", sequence=90))
    with pytest.raises(SipParseError):
        dialog.take(request("INFO", sequence=9))


def test_dialog_does_not_judge_ack_and_cancel() -> None:
    dialog = called()
    for method in ("ACK", "CANCEL"):
        dialog.take(request(method, sequence=7))


@pytest.mark.parametrize("contact", ["", "<mailto:bob@example.com>", "*", "<sip:a@b", "tel:+15550100"])
def test_dialog_without_a_usable_contact_is_refused_or_stays_where_we_called(contact: str) -> None:
    fields = [("Contact", contact)] if contact else []
    with pytest.raises(SipParseError):
        Dialog.of_request(request(fields=fields), local_tag="L", local_contact=OURS)
    assert calling(fields=fields).remote_target == "sip:bob@192.0.2.9", "what we called led there"


def test_early_dialog_without_contact_keeps_the_request_uri() -> None:
    dialog = Dialog.of_response(request(), response(180), local_contact=OURS)
    assert dialog.remote_target == "sip:bob@192.0.2.9"
    dialog.refresh_target(response(200, fields=[CONTACT]))
    dialog.refresh_route(response(200, fields=ROUTES))
    assert dialog.remote_target.startswith("sip:bob@192.0.2.9:5080")
    assert len(dialog.route_set) == 3


def test_dialog_with_a_bad_route_is_refused() -> None:
    with pytest.raises(SipParseError):
        calling(fields=[CONTACT, ("Record-Route", "<sip:p1.example.com;lr")])
