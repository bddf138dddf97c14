"""Voice URLs of an application or a number, as a client writes them: what is not mentioned stays, what is empty goes.

Pure. Source: rest-api.md 7 and 9 of the specification; Twilio Application and IncomingPhoneNumber, update.
"""

from collections.abc import Mapping
from typing import Any, Final

from gateway.accounts.entries import Application, PhoneNumber
from gateway.config import VoiceUrls
from gateway.rest.form import Form

BAD_URL: Final = 21402
BAD_CALLBACK: Final = 21502
_METHODS: Final = {
    "VoiceMethod": "voice_method",
    "VoiceFallbackMethod": "voice_fallback_method",
    "StatusCallbackMethod": "status_callback_method",
}
_URLS: Final = {"VoiceUrl": "voice_url", "VoiceFallbackUrl": "voice_fallback_url"}
NOT_OF_VOICE: Final[Mapping[str, Any]] = {
    "voice_caller_id_lookup": False,
    "sms_url": None,
    "sms_method": "POST",
    "sms_fallback_url": None,
    "sms_fallback_method": "POST",
}
"""Shown because clients read it. Messages are not sent or taken here, and nobody's name is looked up."""


def voice_fields(owner: Application | PhoneNumber | VoiceUrls) -> dict[str, Any]:
    """As every resource that has them shows them."""
    return {
        "voice_url": owner.voice_url or None,
        "voice_method": owner.voice_method,
        "voice_fallback_url": owner.voice_fallback_url or None,
        "voice_fallback_method": owner.voice_fallback_method,
    }


def voice_changes(form: Form) -> dict[str, Any]:
    """The fields that are mentioned. Raises RestError 21402, 21403 or 21502."""
    found: dict[str, Any] = {
        field: form.url(name, code=BAD_URL) or "" for name, field in _URLS.items() if form.has(name)
    }
    if form.has("StatusCallback"):
        found["status_callback"] = form.url("StatusCallback", code=BAD_CALLBACK, callback=True) or ""
    found |= {field: form.method(name) for name, field in _METHODS.items() if form.text(name) is not None}
    return found
