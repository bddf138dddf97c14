"""Which application answers an inbound call.

Pure. A call from a registered phone goes to ``[sip] voice_url``; one from a trunk to the entry of ``[[numbers]]`` it
was dialled to. Where no URL is configured the built-in application dials what was asked for, so that two phones can
call each other at once.
"""

import re
from dataclasses import dataclass

from gateway.config import Application, Configuration, Number, VoiceUrls
from signaling.location import ClientTarget, NumberTarget, Target

# Names the built-in application in the tokens of devices, where none is configured: "ringfork" in hex, twice.
BUILT_IN_APPLICATION_SID = "AP" + b"ringfork".hex() * 2

_NUMBER = re.compile(r"\+?[0-9*#]{2,32}")


@dataclass(frozen=True, kw_only=True)
class Script:
    """Where a call's instructions come from and who is told when it is over.

    voice_url "": the built-in application, which dials ``dialled``, the user part of what was called.
    """

    voice_url: str = ""
    voice_method: str = "POST"
    fallback_url: str = ""
    fallback_method: str = "POST"
    status_callback: str = ""
    status_callback_method: str = "POST"
    application_sid: str | None = None
    dialled: str = ""

    @staticmethod
    def of(urls: VoiceUrls, dialled: str, application_sid: str | None = None) -> "Script":
        return Script(
            dialled=dialled,
            voice_url=urls.voice_url,
            voice_method=urls.voice_method,
            fallback_url=urls.voice_fallback_url,
            fallback_method=urls.voice_fallback_method,
            status_callback=urls.status_callback,
            status_callback_method=urls.status_callback_method,
            application_sid=application_sid,
        )


def is_number(user: str) -> bool:
    """True for what a keypad can dial."""
    return _NUMBER.fullmatch(user) is not None


class Router:
    """Looks up scripts by what was dialled."""

    def __init__(self, configuration: Configuration) -> None:
        self._configuration = configuration
        self._numbers = {_digits(number.phone_number): number for number in configuration.numbers}
        self._applications = {application.sid: application for application in configuration.applications}

    def for_phone(self, dialled: str) -> Script:
        """A call from a registered identity. dialled: user part of the request URI."""
        urls = self._configuration.sip
        number = self._numbers.get(_digits(dialled)) if is_number(dialled) else None
        if urls.voice_url or number is None:
            return Script.of(urls, dialled)
        return self._of_number(number, dialled)

    def for_device(self, application_sid: str, dialled: str) -> Script | None:
        """A call from a browser: its token names the application. dialled: the ``To`` it passed, may be empty.

        None for an application that there is not. Source: webhooks.md 3 of the specification.
        """
        application = self._applications.get(application_sid)
        if application is not None:
            return Script.of(application, dialled, application_sid)
        if application_sid != BUILT_IN_APPLICATION_SID:
            return None
        return self.for_phone(dialled.removeprefix("client:"))

    def for_trunk(self, dialled: str) -> Script | None:
        """A call from outside to one of our numbers; None when nobody owns the number."""
        number = self._numbers.get(_digits(dialled))
        return None if number is None else self._of_number(number, dialled)

    def application(self, sid: str) -> Application | None:
        return self._applications.get(sid)

    def owns(self, number: str) -> bool:
        return _digits(number) in self._numbers

    @property
    def first_number(self) -> str | None:
        return next((number.phone_number for number in self._configuration.numbers), None)

    def target(self, dialled: str) -> Target:
        """What the built-in application dials: a configured identity before a number, a number before the rest."""
        if is_number(dialled) and all(client.identity != dialled for client in self._configuration.clients):
            return NumberTarget(dialled)
        return ClientTarget(dialled)

    def _of_number(self, number: Number, dialled: str) -> Script:
        if not number.application_sid:
            return Script.of(number, dialled)
        return Script.of(self._applications[number.application_sid], dialled, number.application_sid)


def _digits(number: str) -> str:
    """Numbers are compared without their plus sign, which trunks leave out at will."""
    return number.removeprefix("+")
