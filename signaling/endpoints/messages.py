"""What an endpoint reads from a SIP message as PJSIP hands it over: its text.

Pure. Source: RFC 3261 7.3.1 (folding, case of names).
"""

_TOLD = {"diversion": "Diversion", "reason": "Reason", "p-asserted-identity": "P-Asserted-Identity"}


def extension_headers(message: str) -> dict[str, str]:
    """X- headers as spelled, and the few others an application would look at; the first of each name."""
    found: dict[str, str] = {}
    for line in _head(message):
        name, colon, value = line.partition(":")
        name = name.strip()
        told = name if name.lower().startswith("x-") else _TOLD.get(name.lower())
        if colon and told and told not in found:
            found[told] = value.strip()
    return found


def request_uri(message: str) -> str:
    """Empty for what is not a request."""
    words = message.split(maxsplit=2)
    return words[1] if len(words) == 3 else ""


def body_of(message: str) -> str:
    return message.partition("\r\n\r\n")[2]


def _head(message: str) -> list[str]:
    head = message.partition("\r\n\r\n")[0].replace("\r\n ", " ").replace("\r\n\t", " ")
    return head.split("\r\n")[1:]
