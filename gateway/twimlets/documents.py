"""What each twimlet answers: TwiML, or the address to go on at.

Pure. State comes back in the query of ``action``; a request counts as returning from a <Dial> only with ``Dial=true``
and a status. Addresses are relative, so that they hold behind whatever name the gateway is reached by.
Source: twimlets.md of the specification.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from gateway.twimlets.asked import Asked, digits, national
from gateway.twimlets.markup import address, element, message, response

MAX_NUMBERS: Final = 10
WELCOME: Final = "You are now entering the conference line."
LEAVE_A_MESSAGE: Final = "Please leave a message after the beep."


@dataclass(frozen=True)
class GoTo:
    """The address the call goes on at: TwiML or a sound."""

    url: str


Answer = bytes | GoTo


def forward(asked: Asked) -> Answer:
    if _is_returning(asked):
        return _after_dial(asked)
    allowed = [digits(number) for number in asked.array("AllowedCallers")]
    if allowed and not {digits(asked.text("From")), digits(asked.text("To"))} & set(allowed):
        return response(element("Say", "Sorry, you are calling from a restricted number. Good bye."))
    dial = element(
        "Dial",
        asked.text("PhoneNumber"),
        action=_action("forward", asked),
        timeout=_timeout(asked, 20),
        callerId=asked.text("CallerId") or None,
    )
    return response(dial)


def simulring(asked: Asked) -> Answer:
    if _is_returning(asked):
        return _after_dial(asked)
    numbers = sorted(asked.array("PhoneNumbers")[:MAX_NUMBERS])
    whisper_at = address("whisper", [("Message", asked.text("Message"))])
    dial = element(
        "Dial",
        *(element("Number", number, url=whisper_at) for number in numbers),
        action=_action("simulring", asked),
        timeout=_timeout(asked, 20),
    )
    return response(dial)


def callme(asked: Asked) -> Answer:
    if _is_returning(asked):
        return _after_dial(asked)
    whisper_at = address("whisper", [("Message", asked.text("Message"))])
    number = element("Number", asked.text("PhoneNumber"), url=whisper_at)
    return response(element("Dial", number, action=_action("callme", asked), timeout=_timeout(asked, 20)))


def findme(asked: Asked) -> Answer:
    """One number after the other; whoever does not press a key has not answered."""
    if _is_returning(asked) and _was_completed(asked):
        return response(element("Hangup"))
    numbers = asked.array("PhoneNumbers")[:MAX_NUMBERS]
    if not numbers:
        fail_url = asked.text("FailUrl")
        return GoTo(fail_url) if fail_url else response(element("Hangup"))
    first, *rest = numbers
    action = address(
        "findme",
        [
            ("Dial", "true"),
            ("FailUrl", asked.text("FailUrl")),
            ("Timeout", str(_timeout(asked, 60))),
            ("Message", asked.text("Message")),
            *(("PhoneNumbers[]", number) for number in rest),
        ],
    )
    whisper_at = address("whisper", [("Message", asked.text("Message")), ("HumanCheck", "1")])
    number = element("Number", first, url=whisper_at)
    return response(element("Dial", number, action=action, timeout=_timeout(asked, 60)))


def whisper(asked: Asked) -> Answer:
    """Heard by the dialled party. A key connects; with HumanCheck silence does not."""
    if asked.has("Digits"):
        return response() if asked.text("Digits") else response(element("Hangup"))
    caller = ", ".join(digits(asked.text("From")))
    told = asked.text("Message") or f"You are receiving a call from {caller}. Press any key to accept."
    verbs = [element("Gather", message(told), numDigits=1)]
    if asked.text("HumanCheck"):
        verbs.append(element("Hangup"))
    return response(*verbs)


def voicemail(asked: Asked) -> Answer:
    """routes.py sends the mail when the recording or its transcription comes back."""
    if asked.has("TranscriptionStatus"):
        return response()
    if asked.has("RecordingUrl"):
        return response(element("Say", "Thanks. Good bye."), element("Hangup"))
    transcribes = asked.is_true("Transcribe", default=True)
    back = address("voicemail", [("Email", asked.text("Email")), ("Transcribe", "true" if transcribes else "false")])
    record = element(
        "Record",
        action=back,
        transcribe="true" if transcribes else None,
        transcribeCallback=back if transcribes else None,
    )
    return response(message(asked.text("Message", LEAVE_A_MESSAGE)), record)


def conference(asked: Asked) -> Answer:
    password = asked.text("Password")
    if password and asked.text("Digits") != password:
        prompt = element("Say", "Please enter your conference pass code")
        # An empty Redirect asks the same address again.
        return response(element("Gather", prompt, numDigits=max(3, len(password))), element("Redirect"))
    moderators = asked.array("Moderators")
    is_moderator = bool(
        {national(asked.text("From")), national(asked.text("To"))} & {national(number) for number in moderators}
    )
    told = asked.text("Message", WELCOME)
    own_name = hashlib.md5((told + "".join(moderators)).encode(), usedforsecurity=False).hexdigest()
    music = asked.text("Music")
    room = element(
        "Conference",
        asked.text("Name", own_name),
        waitUrl=_music(music) if music else None,
        waitMethod="GET" if music else None,
        startConferenceOnEnter=("true" if is_moderator else "false") if moderators else None,
    )
    return response(message(told), element("Dial", room))


def menu(asked: Asked) -> Answer:
    options = asked.keyed("Options")
    pressed = asked.text("Digits")
    if pressed in options:
        return GoTo(options[pressed])
    longest = max((len(key) for key in options), default=1)
    verbs = [element("Say", "Sorry, that wasn't a valid response.")] if pressed else []
    prompt = [message(asked.text("Message"))] if asked.text("Message") else []
    return response(*verbs, element("Gather", *prompt, numDigits=longest), element("Redirect"))


def messages(asked: Asked) -> Answer:
    return response(*(message(text) for text in asked.array("Message") or [asked.text("Message")] if text))


def echo(asked: Asked) -> Answer:
    """The parameter itself; whoever fetches it reads it as any other document."""
    return asked.text("Twiml").encode()


TWIMLETS: Final[Mapping[str, Callable[[Asked], Answer]]] = {
    "callme": callme,
    "conference": conference,
    "echo": echo,
    "findme": findme,
    "forward": forward,
    "menu": menu,
    "message": messages,
    "simulring": simulring,
    "voicemail": voicemail,
    "whisper": whisper,
}


def _is_returning(asked: Asked) -> bool:
    return asked.text("Dial") == "true" and bool(asked.text("DialCallStatus") or asked.text("DialStatus"))


def _was_completed(asked: Asked) -> bool:
    """A called party that never pressed a key has been answered, but was not connected."""
    if asked.text("DialBridged") == "false":
        return False
    return asked.text("DialCallStatus") == "completed" or asked.text("DialStatus") == "answered"


def _after_dial(asked: Asked) -> Answer:
    fail_url = asked.text("FailUrl")
    is_completed = asked.text("DialCallStatus") == "completed" or asked.text("DialStatus") == "answered"
    return response(element("Hangup")) if is_completed or not fail_url else GoTo(fail_url)


def _action(name: str, asked: Asked) -> str:
    return address(name, [("Dial", "true"), ("FailUrl", asked.text("FailUrl"))])


def _timeout(asked: Asked, default: int) -> int:
    found = asked.text("Timeout")
    return int(found) if found.isascii() and found.isdigit() and len(found) < 6 and int(found) else default


def _music(name: str) -> str:
    """One of the named kinds of music is the hold music twimlet of its collection; else it is an address."""
    if name in ("classical", "ambient", "electronica", "guitars", "rock", "soft-rock"):
        return address("holdmusic", [("Bucket", f"com.twilio.music.{name}")])
    return name
