"""Custom parameters on their way to a browser and from it, in the SDK's two different codings.

Pure. From the browser: an ordinary query, ``%20`` for space. To the browser: the SDK decodes values but never names,
takes ``+`` for a space, and cuts a value at a raw ``=``; so values are quoted whole and names go as they are.
Source: voice-sdk.md 5.2 of the specification ("decoding rules"); Twilio <Client>, <Parameter>.
"""

import re
from collections.abc import Mapping
from urllib.parse import parse_qsl, quote

MAX_PARAMETERS = 100
# What would end the name, or be taken for something else, at the far end.
_NAME = re.compile(r"[^\x00-\x20\x7f&=%+#?\ud800-\udfff]{1,256}").fullmatch


def encode_parameters(parameters: Mapping[str, str]) -> str:
    """The ``Params`` of an incoming call. Names the SDK would not give back as they are, are left out."""
    return "&".join(
        f"{name}={quote(value.encode('utf-8', 'replace'), safe='')}"
        for name, value in parameters.items()
        if _NAME(name) is not None
    )


def decode_parameters(text: str) -> dict[str, str]:
    """``twilio.params`` of a call from the device; the last of a name counts. Raises ValueError for too many."""
    pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=MAX_PARAMETERS)
    return {name: value for name, value in pairs if name}
