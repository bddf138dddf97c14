"""All resources of the REST API. One file a resource; a new one is added to this list and to README's table."""

from collections.abc import Callable
from datetime import datetime

from gateway.accounts.ledger import Ledger
from gateway.live_calls import LiveCalls
from gateway.outgoing import CallOrder, OutgoingCall
from gateway.rest.accounts import AccountsApi
from gateway.rest.applications import ApplicationsApi
from gateway.rest.call_events import CallEventsApi
from gateway.rest.call_recordings import CallRecordingsApi
from gateway.rest.caller_ids import CallerIdsApi
from gateway.rest.calls import CallsApi
from gateway.rest.conference_recordings import ConferenceRecordingsApi
from gateway.rest.conferences import ConferencesApi
from gateway.rest.dispatch import Resource
from gateway.rest.ice_tokens import IceTokensApi
from gateway.rest.keys import KeysApi
from gateway.rest.known_calls import KnownCalls
from gateway.rest.live import LiveParties
from gateway.rest.messages import MessagesApi
from gateway.rest.notifications import NotificationsApi
from gateway.rest.numbers import NumbersApi
from gateway.rest.queues import QueuesApi
from gateway.rest.shelf import RecordingShelf
from gateway.rest.sip_credentials import SipCredentialsApi
from gateway.rest.sip_domains import SipDomainsApi
from gateway.rest.streams import StreamsApi
from gateway.services import Services


def resources_of(
    services: Services,
    *,
    calls: LiveCalls,
    ledger: Ledger,
    shelf: RecordingShelf,
    place: Callable[[CallOrder], OutgoingCall | None],
    now: Callable[[], datetime],
) -> list[Resource]:
    """place: makes a call that was asked for, as Reception.place."""
    store, recordings, turn = services.store, services.recordings, services.configuration.turn
    public_url = services.configuration.public_url
    parties = LiveParties(store=store, calls=calls, dialled=services.dialled)
    apis = (
        CallsApi(store=store, calls=calls, dialled=services.dialled, router=services.router, launch=place),
        CallEventsApi(store=store, calls=calls, dialled=services.dialled),
        NotificationsApi(store=store),
        CallRecordingsApi(
            store=store,
            known=KnownCalls(store=store, calls=calls, dialled=services.dialled),
            calls=calls,
            recordings=recordings,
            files=shelf,
            public_url=public_url,
        ),
        StreamsApi(parties=parties, beside=services.beside),
        MessagesApi(parties=parties, services=services),
        ConferencesApi(store=store, services=services, calls=calls, launch=place),
        ConferenceRecordingsApi(
            store=store,
            conferences=services.conferences,
            recordings=recordings,
            files=shelf,
            public_url=public_url,
        ),
        QueuesApi(store=store, queues=services.queues, services=services),
        AccountsApi(ledger, calls=calls, now=now),
        KeysApi(ledger, now=now),
        ApplicationsApi(ledger, now=now),
        NumbersApi(ledger, now=now),
        CallerIdsApi(ledger, now=now, calls=calls, launch=place),
        SipCredentialsApi(ledger, now=now),
        IceTokensApi(urls=turn.urls, secret=turn.secret.get_secret_value(), now=now),
        SipDomainsApi(ledger, now=now, sip=services.configuration.sip, domain=services.configuration.sip.domain),
    )
    return [resource for api in apis for resource in api.resources()]
