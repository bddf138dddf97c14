"""What comes after a verb. Pure."""

from dataclasses import dataclass

from gateway.parameters import Parameters


@dataclass(frozen=True)
class Continue:
    """The next verb of the document."""


@dataclass(frozen=True, kw_only=True)
class Fetch:
    """Another document, which replaces this one. url: absolute. parameters: beside the standard ones.

    is_fallback: asked for because something failed; if this fails too, the script is over.
    """

    url: str
    method: str
    parameters: Parameters
    is_fallback: bool = False


@dataclass(frozen=True)
class Stop:
    """The script is over; the call is hung up."""


Next = Continue | Fetch | Stop
