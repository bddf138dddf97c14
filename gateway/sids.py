"""String identifiers: two letters that say what it is, when it was made, and 84 random bits.

Those made one after the other sort one after the other, so that the records of recent calls lie side by side in the
database's trees; nobody can guess one from another.
Source: Twilio REST API 2010-04-01, SIDs (pattern ``^XX[0-9a-fA-F]{32}$``).
"""

import re
import secrets
import time
from datetime import datetime
from typing import Final

SID_LENGTH: Final = 34
_HEX = re.compile(r"[0-9a-fA-F]{32}")


def new_sid(prefix: str) -> str:
    """A fresh sid such as ``CA0123…``; prefix: the two upper-case letters of the resource."""
    return f"{prefix}{time.time_ns() // 1_000_000:011x}{secrets.randbits(84):021x}"


def first_sid(prefix: str, at: datetime, *, more_s: float = 0.0) -> str:
    """No sid of that resource made from then, and so many seconds more, on sorts before this one."""
    thousandths = min(max(int((at.timestamp() + more_s) * 1000), 0), 16**11 - 1)
    return f"{prefix}{thousandths:011x}{0:021x}"


def is_sid(prefix: str, text: str) -> bool:
    """Whether text is a sid of that resource, and so safe as a part of a file name."""
    return len(text) == SID_LENGTH and text.startswith(prefix) and _HEX.fullmatch(text, len(prefix)) is not None
