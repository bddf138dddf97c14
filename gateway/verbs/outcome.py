"""What comes after a verb. Pure."""

from dataclasses import dataclass, field

from gateway.parameters import Parameters
from gateway.twiml.model import Document


@dataclass(frozen=True)
class Continue:
    """The next verb of the document."""


@dataclass(frozen=True, kw_only=True)
class Fetch:
    """Another document, which replaces this one. url: absolute. parameters: beside the standard ones.

    is_fallback: asked for because something failed; if this fails too, the script is over. is_redirect: asked for by a
    <Redirect>.
    """

    url: str
    method: str
    parameters: Parameters = field(default_factory=list)
    is_fallback: bool = False
    is_redirect: bool = False


@dataclass(frozen=True, kw_only=True)
class Given:
    """A document that is here already. base_url: what its relative URLs are read against; None: none may be."""

    document: Document
    base_url: str | None = None


@dataclass(frozen=True)
class Stop:
    """The script is over; the call is hung up."""


@dataclass(frozen=True)
class Leave:
    """The call leaves what it waits in; its own script goes on there."""


Next = Continue | Fetch | Stop | Leave

Over = Continue | Stop | Leave
"""How the performing of documents ended. Continue: there are no verbs left."""
