"""What remains of a leg that is over: how it was reached, why it ended, what its sound was like. Pure."""

from datetime import datetime

from gateway.store.records import LegRecord
from signaling.leg import Leg


def leg_record(
    leg: Leg, *, call_sid: str, target: str, created_at: datetime, answered_at: datetime | None, ended_at: datetime
) -> LegRecord:
    """answered_at: None for a leg that never had sound of its own; its counters then tell nothing and are left out."""
    ended = leg.events.ended
    return LegRecord(
        leg_id=leg.leg_id,
        call_sid=call_sid,
        kind="sip" if leg.sip is not None else "voice-sdk",
        direction=leg.direction.value,
        created_at=created_at,
        answered_at=answered_at,
        ended_at=ended_at,
        device=leg.device,
        target=target,
        remote_address=leg.sip.source_ip or None if leg.sip is not None else None,
        sip_call_id=leg.sip.call_id if leg.sip is not None else None,
        codec=next(iter(leg.codec_names), None),
        cause=ended.cause.value if ended is not None else None,
        sip_status=ended.sip_status if ended is not None else None,
        statistics=dict(vars(leg.media.statistics())) if answered_at is not None else {},
    )
