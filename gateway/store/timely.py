"""Which calls' times agree with their sids, as SQL of each database: the sid of a call begins with when it was made.

A call is timely if it was answered and was over between a moment before it was made (clocks are set) and some hours
after it, longer than a call may last by default; and if it has a start, it completed.
"""

from collections.abc import Mapping
from typing import Final

EARLY_S: Final = 60
LATE_S: Final = 5 * 3600

_SID_TIME: Final = "substr(sid, 3, 11)"
_HEX: Final = {
    "sqlite": "printf('%011x', CAST(({}) * 1000 AS INTEGER))",
    "postgresql": "lpad(to_hex(CAST(({}) * 1000 AS BIGINT)), 11, '0')",
}


def _untimely(dialect: str, answered: str) -> str:
    """Not timely. Where a time is not there nothing is said by it; SQLite's printf would make it zero."""
    parts = [f"(start_time IS NOT NULL AND status <> '{answered}')"]
    for column in ("start_time", "end_time"):
        earliest = _HEX[dialect].format(f"{column} - {LATE_S}")
        latest = _HEX[dialect].format(f"{column} + {EARLY_S}")
        parts.append(f"({column} IS NOT NULL AND ({_SID_TIME} > {latest} OR {_SID_TIME} < {earliest}))")
    return "({})".format(" OR ".join(parts))


def untimely(*, finished: str, answered: str) -> Mapping[str, str]:
    """By dialect: the condition for calls that are over and untimely."""
    return {dialect: f"{finished} AND {_untimely(dialect, answered)}" for dialect in _HEX}
