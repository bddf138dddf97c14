"""Every resource has all that twilio-python's class of it reads; what is not there it shows as None, in silence."""

import ast
import inspect
import json
import re
import textwrap
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from twilio.rest.api.v2010.account import AccountInstance
from twilio.rest.api.v2010.account.application import ApplicationInstance
from twilio.rest.api.v2010.account.call import CallInstance
from twilio.rest.api.v2010.account.call.event import EventInstance
from twilio.rest.api.v2010.account.call.notification import NotificationInstance
from twilio.rest.api.v2010.account.call.recording import RecordingInstance as CallRecordingInstance
from twilio.rest.api.v2010.account.call.stream import StreamInstance
from twilio.rest.api.v2010.account.call.user_defined_message import UserDefinedMessageInstance
from twilio.rest.api.v2010.account.call.user_defined_message_subscription import UserDefinedMessageSubscriptionInstance
from twilio.rest.api.v2010.account.conference import ConferenceInstance
from twilio.rest.api.v2010.account.conference.participant import ParticipantInstance
from twilio.rest.api.v2010.account.incoming_phone_number import IncomingPhoneNumberInstance
from twilio.rest.api.v2010.account.key import KeyInstance
from twilio.rest.api.v2010.account.outgoing_caller_id import OutgoingCallerIdInstance
from twilio.rest.api.v2010.account.queue import QueueInstance
from twilio.rest.api.v2010.account.queue.member import MemberInstance
from twilio.rest.api.v2010.account.recording import RecordingInstance
from twilio.rest.api.v2010.account.sip.credential_list import CredentialListInstance
from twilio.rest.api.v2010.account.sip.credential_list.credential import CredentialInstance
from twilio.rest.api.v2010.account.sip.domain import DomainInstance
from twilio.rest.api.v2010.account.validation_request import ValidationRequestInstance

from gateway.accounts.entries import Account, Application, CallerId, Credential, CredentialList, Key, PhoneNumber
from gateway.config import Sip
from gateway.rest import messages, queues, streams
from gateway.rest.accounts import account_resource
from gateway.rest.applications import application_resource
from gateway.rest.call_events import exchange_resource, exchanged, notification_resource
from gateway.rest.caller_ids import Validation, caller_id_resource
from gateway.rest.calls import call_resource
from gateway.rest.conferences import ConferencesApi, conference_resource
from gateway.rest.keys import key_resource
from gateway.rest.numbers import number_resource
from gateway.rest.queues import QueuesApi
from gateway.rest.recordings import recording_resource
from gateway.rest.sip_credentials import credential_resource, list_resource
from gateway.rest.sip_domains import domain_resource
from gateway.store.records import ConferenceRecord, EventRecord
from tests.gateway.store.records import ACCOUNT, call, completed, recording

AT = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
DATED: dict[str, Any] = {"date_created": AT, "date_updated": AT}
OWNED: dict[str, Any] = {"account_sid": ACCOUNT, **DATED}
CONFERENCE = ConferenceRecord(
    sid="CF" + "1" * 32, account_sid=ACCOUNT, friendly_name="standup", status="in-progress", **DATED
)
RESOURCES: list[tuple[type[Any], Mapping[str, Any], dict[str, str]]] = [
    (CallInstance, call_resource(completed(call())), {"account_sid": ACCOUNT}),
    (
        RecordingInstance,
        recording_resource(recording("CA" + "1" * 32, "completed"), public_url="http://ringfork.example.com"),
        {"account_sid": ACCOUNT},
    ),
    (ConferenceInstance, conference_resource(CONFERENCE), {"account_sid": ACCOUNT}),
    (
        AccountInstance,
        account_resource(Account(sid=ACCOUNT, owner_sid=ACCOUNT, friendly_name="", auth_token="f" * 32, **DATED)),
        {},
    ),
    (
        ApplicationInstance,
        application_resource(Application(sid="AP" + "1" * 32, friendly_name="desk", **OWNED)),
        {"account_sid": ACCOUNT},
    ),
    (
        IncomingPhoneNumberInstance,
        number_resource(PhoneNumber(sid="PN" + "1" * 32, phone_number="+15550100", friendly_name="", **OWNED)),
        {"account_sid": ACCOUNT},
    ),
    (
        OutgoingCallerIdInstance,
        caller_id_resource(CallerId(sid="PN" + "1" * 32, phone_number="+15550100", friendly_name="", **OWNED)),
        {"account_sid": ACCOUNT},
    ),
    (
        DomainInstance,
        domain_resource(
            Account(sid=ACCOUNT, owner_sid=ACCOUNT, friendly_name="", auth_token="f" * 32, **DATED),
            domain="sip.example.com",
            voice=Sip(),
        ),
        {"account_sid": ACCOUNT},
    ),
    (
        KeyInstance,
        key_resource(Key(sid="SK" + "1" * 32, friendly_name="", secret="s", **OWNED)),
        {"account_sid": ACCOUNT},
    ),
    (
        CredentialListInstance,
        list_resource(CredentialList(sid="CL" + "1" * 32, friendly_name="phones", **OWNED)),
        {"account_sid": ACCOUNT},
    ),
    (
        CredentialInstance,
        credential_resource(
            Credential(sid="CR" + "1" * 32, list_sid="CL" + "1" * 32, username="alice", password="s", **OWNED)
        ),
        {"account_sid": ACCOUNT, "credential_list_sid": "CL" + "1" * 32},
    ),
]


def read_by(instance: type[Any]) -> set[str]:
    """The keys that the class looks for in an answer."""
    found = set(re.findall(r'payload\.get\(\s*"(\w+)"', inspect.getsource(instance.__init__)))
    assert len(found) > 2
    return found


@pytest.mark.parametrize(("instance", "resource", "path"), RESOURCES, ids=lambda value: getattr(value, "__name__", ""))
def test_resource_has_all_that_the_library_reads(
    instance: type[Any], resource: Mapping[str, Any], path: dict[str, str]
) -> None:
    assert read_by(instance) <= resource.keys()
    parsed = instance(None, json.loads(json.dumps(resource)), **path)
    for name in ("date_created", "date_updated"):
        assert getattr(parsed, name) == AT or instance in (CallInstance, RecordingInstance)
        assert isinstance(getattr(parsed, name), datetime)
    for name in read_by(instance) & {"status", "duration", "uri", "sid"}:
        assert str(getattr(parsed, name)) == str(resource[name])


def literal_keys(function: Callable[..., Any]) -> set[str]:
    """Keys of the dictionary that a function returns: of resources that only a living room or queue can show."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    (returned,) = [
        node.value for node in ast.walk(tree) if isinstance(node, ast.Return) and isinstance(node.value, ast.Dict)
    ]
    return {key.value for key in returned.keys if isinstance(key, ast.Constant) and isinstance(key.value, str)}


@pytest.mark.parametrize(
    ("instance", "shown"),
    [
        (ParticipantInstance, ConferencesApi._shown_participant),
        (QueueInstance, QueuesApi._shown),
        (MemberInstance, queues._shown_member),
        (StreamInstance, streams._resource),
        (ValidationRequestInstance, Validation.resource),
        (UserDefinedMessageInstance, messages._shown_message),
        (UserDefinedMessageSubscriptionInstance, messages._shown_subscription),
    ],
    ids=lambda value: value.__name__,
)
def test_living_resource_has_all_that_the_library_reads(instance: type[Any], shown: Callable[..., Any]) -> None:
    assert read_by(instance) <= literal_keys(shown)


def test_recording_below_its_call_has_all_that_the_library_reads() -> None:
    record = recording("CA" + "1" * 32, "completed")
    shown = {**recording_resource(record, public_url="http://ringfork.example.com"), "track": record.track}
    assert read_by(CallRecordingInstance) <= shown.keys()


def test_events_and_notifications_of_a_call_have_all_that_the_library_reads() -> None:
    line = EventRecord(call_sid="CA" + "1" * 32, at=AT, name="problem", level="error", code=11200, position=7)
    shown = {**notification_resource(line, account_sid=ACCOUNT, exchange=None), **exchanged(None)}
    assert read_by(NotificationInstance) == shown.keys()
    # Its class reads two keys only: fewer than read_by takes for a class.
    event = EventInstance(None, exchange_resource(line), account_sid=ACCOUNT, call_sid=line.call_sid)
    assert event.request is not None and event.response is not None


@pytest.mark.parametrize("status", ["queued", "ringing", "in-progress", "busy", "failed", "no-answer", "canceled"])
def test_call_in_any_state_is_one_of_the_library_s(status: str) -> None:
    resource = call_resource(replace(call(status), start_time=None, end_time=None))
    parsed = CallInstance(None, dict(resource), account_sid=ACCOUNT)
    assert parsed.status == status and parsed.start_time is None and parsed.duration is None
    assert status in {value for name, value in vars(CallInstance.Status).items() if not name.startswith("_")}
