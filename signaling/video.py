"""A stream of pictures between two parties of a call: what one of them can send and take, as the other is told.

Pure values. Pictures are passed on and never looked at, so that all there is to agree on is which payload types both
sides understand; numbers are those of the party that called first, and the same at both sides.
Source: RFC 3264 (offer and answer); RFC 7742 5 (every browser has VP8); RFC 4588 (repairs, ``rtx``).
"""

from dataclasses import dataclass, replace

REPAIR = "RTX"
_OF_EVERY_BROWSER = "VP8"


@dataclass(frozen=True, kw_only=True)
class VideoFormat:
    """One payload type. name: upper case. parameters: its ``fmtp``. feedback: what may be asked of its sender."""

    payload_type: int
    name: str
    clock_rate_hz: int
    parameters: str = ""
    feedback: tuple[str, ...] = ()

    @property
    def repairs(self) -> int | None:
        """The payload type whose lost packets this one repeats. Source: RFC 4588 8.6."""
        if self.name != REPAIR:
            return None
        named = dict(pair.strip().partition("=")[::2] for pair in self.parameters.split(";"))
        number = named.get("apt", "")
        return int(number) if number.isdecimal() and len(number) <= 3 else None

    def is_same(self, other: "VideoFormat") -> bool:
        return (self.payload_type, self.name, self.clock_rate_hz) == (
            other.payload_type,
            other.name,
            other.clock_rate_hz,
        )


@dataclass(frozen=True, kw_only=True)
class Video:
    """What one party's pictures are.

    formats: best first, each repair after what it repairs. extensions: of packets' headers, (number, URI).
    senders: SSRCs, each with the one of its repairs if it has one. sends, receives: as that party means it.
    """

    formats: tuple[VideoFormat, ...]
    extensions: tuple[tuple[int, str], ...] = ()
    senders: tuple[tuple[int, ...], ...] = ()
    sends: bool = True
    receives: bool = True

    @property
    def payload_types(self) -> tuple[int, ...]:
        return tuple(found.payload_type for found in self.formats)

    def among(self, other: "Video") -> "Video | None":
        """What of this the other party understands too; None if that is nothing."""
        formats = [
            replace(found, feedback=tuple(asked for asked in found.feedback if asked in theirs.feedback))
            for found in self.formats
            for theirs in other.formats
            if found.is_same(theirs)
        ]
        extensions = tuple(extension for extension in self.extensions if extension in other.extensions)
        return whole(replace(self, formats=tuple(formats), extensions=extensions))

    def in_every_browser(self) -> "Video | None":
        """What can be agreed on before it is known who will see it, and nobody's pictures in particular."""
        first = next((found for found in self.formats if found.name == _OF_EVERY_BROWSER), None)
        if first is None:
            return None
        kept = tuple(found for found in self.formats if found is first or found.repairs == first.payload_type)
        return Video(formats=kept, extensions=self.extensions)


def whole(video: Video) -> Video | None:
    """Without repairs of what is not there; None if nothing is left."""
    there = {found.payload_type for found in video.formats if found.name != REPAIR}
    formats = tuple(found for found in video.formats if found.name != REPAIR or found.repairs in there)
    return replace(video, formats=formats) if there else None
