"""Which calls are taken, and which script each of them gets; runs them and knows when the last one is over."""

import contextlib
from collections.abc import Callable
from typing import Any

from gateway.accounts.allowance import Allowance
from gateway.accounts.directory import Directory
from gateway.background import Background
from gateway.console.trace import Trace
from gateway.live_calls import LiveCalls
from gateway.outgoing import CallOrder, OutgoingCall
from gateway.parameters import CallDirection, CallFacts
from gateway.routing import Router, Script
from gateway.services import Services
from gateway.session import CallSession
from gateway.sids import new_sid
from gateway.store import StorageUnavailable, Store
from signaling.leg import HangupCause, Leg
from signaling.sip.leg import SipLeg
from signaling.voice_sdk.leg import VoiceSdkLeg


class Reception:
    """Every call of the process begins here, those of phones and browsers and those that REST asks for.

    ``open`` before the first call. monotonic: seconds.
    """

    def __init__(
        self,
        *,
        directory: Directory,
        router: Router,
        allowance: Allowance,
        calls: LiveCalls,
        background: Background,
        monotonic: Callable[[], float],
    ) -> None:
        self._directory = directory
        self._router = router
        self._allowance = allowance
        self._calls = calls
        self._background = background
        self._monotonic = monotonic
        self.is_draining = False
        self.accepted = 0
        self.refused = 0

    def open(self, *, services: Services, store: Store, trace: Trace) -> None:
        self._services, self._store, self._trace = services, store, trace

    def on_call(self, leg: SipLeg) -> None:
        """An admitted inbound call of a phone or a trunk."""
        sid = new_sid("CA")
        self._trace.claim(leg.facts.call_id, call_sid=sid, events=leg.events)
        self._begin(
            leg,
            self._script_of(leg),
            account_sid=self._account_of(leg),
            sid=sid,
            sip_headers={name: value for name, value in leg.headers.items() if name.lower().startswith("x-")},
        )

    def on_device_call(self, leg: VoiceSdkLeg) -> None:
        """A call of a browser, answered by the application that its token names."""
        account_sid = leg.facts.account_sid
        script = self._router.for_device(leg.application_sid or "", leg.callee.address, account_sid=account_sid)
        self._begin(leg, script, account_sid=account_sid, sid=leg.call_sid, extra=leg.caller_parameters)

    def place(self, order: CallOrder) -> OutgoingCall | None:
        """A call that the REST API asked for; None when it cannot even be queued. Raises AllInUse."""
        if self.is_draining:
            return None
        wait_s = self._allowance.reserve(order.facts.account_sid, now_s=self._monotonic())
        if wait_s is None:
            return None
        call = OutgoingCall(self._services, order, wait_s=wait_s)
        call.accept()
        self.launch(call)
        return call

    def launch(self, call: CallSession | OutgoingCall) -> None:
        self._calls.add(call)
        self._background.start(self._run(call), name=f"call {call.facts.sid}")

    def hang_up(self) -> None:
        """Every call, because the process ends; they are over when their own endings are done."""
        for call in self._calls:
            call.hangup(HangupCause.SHUTDOWN)

    def _begin(self, leg: Leg, script: Script | None, *, account_sid: str, sid: str, **more: Any) -> None:
        """Run the script of a call that was let in; more: what only this kind of leg knows of it."""
        if script is None:
            leg.hangup(HangupCause.NOT_FOUND)
            return
        if not self._directory.is_active(account_sid):
            leg.hangup(HangupCause.FORBIDDEN)
            return
        if not self._allowance.has_room(account_sid):
            self.refused += 1
            leg.hangup(HangupCause.OVERLOAD)
            return
        self.accepted += 1
        facts = CallFacts(
            sid=sid,
            account_sid=account_sid,
            caller=leg.caller.address,
            callee=leg.callee.address,
            direction=CallDirection.INBOUND,
            application_sid=script.application_sid,
            caller_name=leg.caller.display_name,
            forwarded_from=leg.diversion,
            sip=leg.sip,
            **more,
        )
        self.launch(CallSession(self._services, leg, facts, script))

    async def _run(self, call: CallSession | OutgoingCall) -> None:
        try:
            await call.run()
            # Whoever asks for the call hears of its end from here, until storage has it.
            with contextlib.suppress(StorageUnavailable):
                await self._store.written()
        finally:
            self._calls.remove(call)

    def _script_of(self, leg: SipLeg) -> Script | None:
        if leg.facts.trunk is not None:
            return self._router.for_trunk(leg.facts.dialled)
        return self._router.for_phone(leg.facts.dialled, account_sid=self._account_of(leg))

    def _account_of(self, leg: SipLeg) -> str:
        """The account of the phone that calls, or of the number that a trunk's caller dialled."""
        if leg.facts.trunk is not None:
            return self._router.account_of_number(leg.facts.dialled) or self._directory.main.sid
        return self._directory.account_of(leg.facts.identity or "")
