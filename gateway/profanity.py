"""Strong words masked in what a recogniser understood: the first letter stays, asterisks stand for the rest.

Pure. English, as the embedded recogniser is. Source: Twilio <Gather>, profanityFilter.
"""

import re
from typing import Final

_STEMS: Final = (
    *("arsehole", "asshole", "bastard", "bitch", "bollocks", "bullshit", "cocksucker", "cunt", "dickhead"),
    *("faggot", "fuck", "motherfuck", "nigga", "nigger", "piss", "pussy", "shit", "slut", "twat", "wank", "whore"),
)
_WORD: Final = re.compile(rf"\b(?:{'|'.join(_STEMS)})(?:s|es|ed|er|ers|ing|in|y)?\b", re.IGNORECASE)


def without_profanity(text: str) -> str:
    """Source: Twilio <Gather>, profanityFilter (all but the initial character becomes an asterisk)."""
    return _WORD.sub(lambda found: found[0][0] + "*" * (len(found[0]) - 1), text)
