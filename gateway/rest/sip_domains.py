"""The host of an account's SIP phones as a resource: read here, defined by the configuration file.

Each account has one: the main account ``sip.domain``, a sub-account the same behind a label that begins with its sid
(signaling/scope.py). Source: rest-api.md 3 and 7 of the specification; Twilio SIP Domain resource; README, "Accounts".
"""

import hashlib
from collections.abc import Callable
from datetime import datetime
from typing import Any, Final

from gateway.accounts.entries import Account, Application
from gateway.accounts.ledger import Ledger
from gateway.config import VoiceUrls
from gateway.parameters import API_VERSION, rfc2822
from gateway.rest.dispatch import Ask, Reply, Resource
from gateway.rest.errors import RestError, not_found
from gateway.rest.owned import DENIED, OwnedApi, uri_of
from gateway.rest.paging import Page, asked_page, paged
from gateway.rest.voice_urls import voice_fields
from signaling.scope import account_host

_DOMAINS: Final = "SIP/Domains"


class SipDomainsApi(OwnedApi):
    """sip: what answers calls of the main account's phones, and the name of its host."""

    def __init__(self, ledger: Ledger, *, now: Callable[[], datetime], sip: VoiceUrls, domain: str) -> None:
        super().__init__(ledger, now=now)
        self._sip = sip
        self._domain = domain

    def resources(self) -> list[Resource]:
        one = {"GET": self._fetch, "POST": self._refuse, "DELETE": self._refuse}
        return [
            Resource(_DOMAINS, {"GET": self._list, "POST": self._refuse_another}),
            Resource(_DOMAINS + "/{domain_sid}", one),
        ]

    async def _list(self, ask: Ask) -> Reply:
        asked = asked_page(ask.form)
        domains = [self._shown(ask)]
        cut, has_more = paged(domains, [each["sid"] for each in domains], asked)
        sids = [each["sid"] for each in cut]
        return Reply(resource=Page(key="domains", rows=cut, sids=sids, has_more=has_more, asked=asked))

    async def _fetch(self, ask: Ask) -> Reply:
        return Reply(resource=self._own(ask), name="SipDomain")

    async def _refuse(self, ask: Ask) -> Reply:
        raise _is_configured(self._own(ask)["domain_name"])

    async def _refuse_another(self, ask: Ask) -> Reply:
        raise _is_configured(self._shown(ask)["domain_name"])

    def _own(self, ask: Ask) -> dict[str, Any]:
        shown = self._shown(ask)
        if shown["sid"] != ask.parts["domain_sid"]:
            raise not_found(ask.path)
        return shown

    def _shown(self, ask: Ask) -> dict[str, Any]:
        account = self._directory.account(ask.account_sid)
        if account is None:
            raise not_found(ask.path)
        if account.sid == self._directory.main.sid:
            return domain_resource(account, domain=self._domain, voice=self._sip)
        voice = self._directory.sip_application(account.sid) or VoiceUrls()
        return domain_resource(account, domain=account_host(account.sid, self._domain), voice=voice)


def domain_sid(account_sid: str) -> str:
    """The same at every start."""
    return "SD" + hashlib.blake2s(f"{account_sid} SD".encode(), digest_size=16).hexdigest()


def domain_resource(account: Account, *, domain: str, voice: VoiceUrls | Application) -> dict[str, Any]:
    """The SIP Domain resource as Twilio's helpers read it. voice without a URL: what is dialled is called."""
    sid = domain_sid(account.sid)
    return {
        "sid": sid,
        "account_sid": account.sid,
        "api_version": API_VERSION,
        "domain_name": domain,
        "friendly_name": account.friendly_name,
        "auth_type": "CREDENTIAL_LIST",
        **voice_fields(voice),
        "voice_status_callback_url": voice.status_callback or None,
        "voice_status_callback_method": voice.status_callback_method,
        "sip_registration": True,
        "emergency_calling_enabled": False,
        "emergency_caller_sid": None,
        "secure": False,
        "byoc_trunk_sid": None,
        "date_created": rfc2822(account.date_created),
        "date_updated": rfc2822(account.date_updated),
        "subresource_uris": {},
        "uri": uri_of(account.sid, f"{_DOMAINS}/{sid}.json"),
    }


def _is_configured(domain: str) -> RestError:
    return RestError(403, DENIED, f"{domain} follows from sip.domain of the configuration file: change it there")
