"""Which application answers an inbound call.

Pure. A call from a registered phone of the main account goes to ``[sip] voice_url``, of another account to the
application it has named for its phones; one from a trunk to the number it was dialled to, whosever account that is.
Where no URL is configured the built-in application dials what was asked for, so that two phones of an account can call
each other at once. What an account has is directory.py's.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from gateway.accounts.directory import Directory
from gateway.accounts.entries import Application, PhoneNumber
from gateway.config import Configuration
from signaling.location import ClientTarget, NumberTarget, Target

# Names the built-in application in the tokens of devices, where none is configured: "ringfork" in hex, twice.
BUILT_IN_APPLICATION_SID = "AP" + b"ringfork".hex() * 2

_NUMBER = re.compile(r"\+?[0-9*#]{2,32}")


class VoiceUrls(Protocol):
    """Where a call's instructions come from, and who is told when it is over."""

    @property
    def voice_url(self) -> str: ...
    @property
    def voice_method(self) -> str: ...
    @property
    def voice_fallback_url(self) -> str: ...
    @property
    def voice_fallback_method(self) -> str: ...
    @property
    def status_callback(self) -> str: ...
    @property
    def status_callback_method(self) -> str: ...


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
    """Looks up scripts by what was dialled. directory: without one, what the configuration says."""

    def __init__(self, configuration: Configuration, directory: Directory | None = None) -> None:
        self._configuration = configuration
        self._directory = directory or Directory.of(configuration, since=datetime.now(UTC))

    def for_phone(self, dialled: str, *, account_sid: str = "") -> Script:
        """A call from a registered identity. dialled: user part of the request URI. account_sid "": the main one."""
        is_main = account_sid in ("", self._directory.main.sid)
        urls = self._configuration.sip
        if is_main and urls.voice_url:
            return Script.of(urls, dialled)
        application = None if is_main else self._directory.sip_application(account_sid)
        if application is not None:
            return Script.of(application, dialled, application.sid)
        number = self._directory.number(dialled) if is_number(dialled) else None
        if number is not None and number.account_sid == (account_sid or self._directory.main.sid):
            return self._of_number(number, dialled)
        if is_main:
            return Script.of(urls, dialled)
        return Script(dialled=dialled)

    def for_device(self, application_sid: str, dialled: str, *, account_sid: str = "") -> Script | None:
        """A call from a browser: its token names the application. dialled: the ``To`` it passed, may be empty.

        None for an application that the account has not. Source: webhooks.md 3 of the specification.
        """
        application = self.application(application_sid, account_sid=account_sid)
        if application is not None:
            return Script.of(application, dialled, application_sid)
        if application_sid != BUILT_IN_APPLICATION_SID:
            return None
        return self.for_phone(dialled.removeprefix("client:"), account_sid=account_sid)

    def for_trunk(self, dialled: str) -> Script | None:
        """A call from outside to one of our numbers; None when nobody owns the number."""
        number = self._directory.number(dialled)
        return None if number is None else self._of_number(number, dialled)

    def account_of_number(self, dialled: str) -> str | None:
        """The sid of the account that has the number."""
        number = self._directory.number(dialled)
        return None if number is None else number.account_sid

    def application(self, sid: str, *, account_sid: str = "") -> Application | None:
        return self._directory.application(account_sid or self._directory.main.sid, sid)

    def may_show(self, number: str, *, account_sid: str) -> bool:
        """Whether the account has the number or validated it, or nobody here has any: then there is nothing to own."""
        directory, owner_sid = self._directory, account_sid or self._directory.main.sid
        is_own = directory.owns(owner_sid, number) or directory.is_validated(owner_sid, number)
        return is_own or not directory.has_numbers

    def may_call(self, number: str, *, account_sid: str) -> bool:
        return self._directory.limits(account_sid or self._directory.main.sid).permits(number)

    def first_number(self, *, account_sid: str = "") -> str | None:
        return self._directory.first_number(account_sid or self._directory.main.sid)

    def target(self, dialled: str, *, account_sid: str = "") -> Target:
        """What the built-in application dials: a phone's own identity before a number, a number before the rest."""
        if is_number(dialled) and not self._directory.has_login(account_sid or self._directory.main.sid, dialled):
            return NumberTarget(dialled)
        return ClientTarget(dialled)

    def _of_number(self, number: PhoneNumber, dialled: str) -> Script:
        """A number whose application is gone has its own URLs."""
        application = self._directory.application(number.account_sid, number.application_sid)
        if application is None:
            return Script.of(number, dialled)
        return Script.of(application, dialled, application.sid)
