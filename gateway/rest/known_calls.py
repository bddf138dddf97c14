"""Which call a request below ``Calls/{call_sid}`` is about, running, dialled or over."""

from gateway.dialled_calls import DialledCalls
from gateway.live_calls import LiveCalls
from gateway.rest.dispatch import Ask
from gateway.rest.errors import not_found
from gateway.sids import is_sid
from gateway.store import Store
from gateway.store.records import FINAL_CALL_STATUSES, CallRecord


class KnownCalls:
    """dialled: the calls of dialled parties."""

    def __init__(self, *, store: Store, calls: LiveCalls, dialled: DialledCalls) -> None:
        self._store = store
        self._calls = calls
        self._dialled = dialled

    async def record(self, ask: Ask) -> CallRecord:
        """The call as it is now: a live one from its owner, who may be ahead of the database.

        Raises RestError 404 for a call there is not, or of another account.
        """
        sid = ask.parts["call_sid"]
        if not is_sid("CA", sid):
            raise not_found(ask.path)
        call, dialled = self._calls.get(sid), self._dialled.get(sid)
        if call is not None:
            record: CallRecord | None = call.progress.record()
        elif dialled is not None:
            record = dialled.record()
        else:
            record = await self._store.call(sid)
            if record is None or record.status not in FINAL_CALL_STATUSES:
                # Over, but not written yet.
                await self._store.flush()
                record = await self._store.call(sid)
        if record is None or record.account_sid != ask.account_sid:
            raise not_found(ask.path)
        return record
