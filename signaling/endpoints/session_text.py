"""What a browser's page changes in session descriptions, and what it reads out of them.

Pure. Source: RFC 8866 5.14, 6.6 (rtpmap); RFC 3551 6 (static types); voice-sdk.md 6.1, 6.2 of the specification.
"""

import re
from collections.abc import Sequence

from signaling.endpoints.notes import LibraryError

_STATIC = {"0": ("PCMU", 8000), "8": ("PCMA", 8000), "9": ("G722", 8000)}
_RTPMAP = re.compile(r"^a=rtpmap:(\d+) ([^/\s]+)/(\d+)", re.MULTILINE)
_ABOUT_TYPE = re.compile(r"a=(?:rtpmap|fmtp|rtcp-fb):(\d+)[ \r\n]")
_AUDIO = re.compile(r"^(m=audio \d+ \S+) ([\d ]+)", re.MULTILINE)
_CANDIDATE = re.compile(r"^a=candidate:\S+ 1 udp \d+ (\S+) (\d+) typ host", re.MULTILINE | re.IGNORECASE)


def without_candidates(description: str) -> str:
    """As the SDK sends it."""
    left_out = ("a=candidate", "a=end-of-candidates")
    return "".join(line for line in description.splitlines(keepends=True) if not line.startswith(left_out))


def preferring(description: str, codecs: Sequence[str]) -> str:
    """An offer with these codecs alone, best first. Raises LibraryError when it has none of them."""
    names = codec_of_type(description)
    audio = _AUDIO.search(description)
    offered = audio[2].split() if audio is not None else []
    chosen = [kind for name in codecs for kind in offered if names.get(kind, ("", 0))[0].lower() == name.lower()]
    if audio is None or not chosen:
        raise LibraryError(f"the other side offers none of {', '.join(codecs)}")
    lines = description.replace(audio[0], f"{audio[1]} {' '.join(chosen)}", 1).splitlines(keepends=True)
    return "".join(line for line in lines if (about := _ABOUT_TYPE.match(line)) is None or about[1] in chosen)


def first_codec(description: str) -> tuple[str, int]:
    """Name and rate of the codec an answer puts first."""
    audio = _AUDIO.search(description)
    first = audio[2].split()[0] if audio is not None else ""
    return codec_of_type(description).get(first, ("", 0))


def codec_of_type(description: str) -> dict[str, tuple[str, int]]:
    return _STATIC | {kind: (name, int(rate)) for kind, name, rate in _RTPMAP.findall(description)}


def host_of(description: str) -> str:
    """``host:port`` where its writer is, empty when it does not say."""
    found = _CANDIDATE.search(description)
    return "" if found is None else f"{found[1]}:{found[2]}"
