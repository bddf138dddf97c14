"""String identifiers: two letters that say what it is, and 128 random bits.

Pure apart from the system's random source.
Source: Twilio REST API 2010-04-01, SIDs (pattern ``^XX[0-9a-fA-F]{32}$``).
"""

import re
import secrets
from typing import Final

SID_LENGTH: Final = 34
_HEX = re.compile(r"[0-9a-fA-F]{32}")


def new_sid(prefix: str) -> str:
    """A fresh sid such as ``CA0123…``; prefix: the two upper-case letters of the resource."""
    return prefix + secrets.token_hex(16)


def is_sid(prefix: str, text: str) -> bool:
    """Whether text is a sid of that resource, and so safe as a part of a file name."""
    return len(text) == SID_LENGTH and text.startswith(prefix) and _HEX.fullmatch(text, len(prefix)) is not None
