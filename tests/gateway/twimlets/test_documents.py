"""What the twimlets answer, read back with the gateway's own parser."""

from urllib.parse import parse_qs, urlsplit

import pytest

from gateway.twiml import parse
from gateway.twiml.model import Conference, Dial, Gather, Hangup, Number, Play, Record, Redirect, Say, Verb
from gateway.twimlets.asked import Asked
from gateway.twimlets.documents import TWIMLETS, GoTo
from gateway.twimlets.hold_music import bucket_url, hold_music

FROM = ("From", "+14155550100")


def verbs(name: str, *pairs: tuple[str, str]) -> tuple[Verb, ...]:
    answer = TWIMLETS[name](Asked([FROM, ("To", "+14155550199"), *pairs]))
    assert isinstance(answer, bytes)
    document = parse(answer)
    assert document.warnings == ()
    return document.verbs


def dial(name: str, *pairs: tuple[str, str]) -> Dial:
    (verb,) = verbs(name, *pairs)
    assert isinstance(verb, Dial)
    return verb


def goes_to(name: str, *pairs: tuple[str, str]) -> str:
    answer = TWIMLETS[name](Asked([FROM, *pairs]))
    assert isinstance(answer, GoTo)
    return answer.url


def query(url: str | None) -> dict[str, list[str]]:
    assert url is not None
    return parse_qs(urlsplit(url).query, keep_blank_values=True)


def numbers(verb: Dial) -> list[str]:
    return [noun.number for noun in verb.nouns if isinstance(noun, Number)]


RETURNED = (("Dial", "true"), ("DialCallStatus", "no-answer"), ("FailUrl", "http://example.com/fail.mp3"))


@pytest.mark.parametrize("name", ["forward", "callme"])
def test_twimlet_dials_one_number(name: str) -> None:
    verb = dial(name, ("PhoneNumber", "+14155550111"), ("FailUrl", "http://example.com/a?b&c"), ("Timeout", "7"))
    assert (numbers(verb), verb.timeout_s) == (["+14155550111"], 7)
    assert urlsplit(verb.action or "").path == name
    assert query(verb.action) == {"Dial": ["true"], "FailUrl": ["http://example.com/a?b&c"]}


@pytest.mark.parametrize(("written", "meant"), [(None, 20), ("", 20), ("x", 20), ("0", 20), ("12", 12), ("9" * 9, 20)])
def test_forward_timeout(written: str | None, meant: int) -> None:
    more = [] if written is None else [("Timeout", written)]
    assert dial("forward", ("PhoneNumber", "+14155550111"), *more).timeout_s == meant


def test_forward_caller_id_and_allowed_callers() -> None:
    asked = (("PhoneNumber", "+14155550111"), ("CallerId", "+14155550122"), ("AllowedCallers[0]", "1 (415) 555-0100"))
    assert dial("forward", *asked).caller_id == "+14155550122"
    (refused,) = verbs("forward", ("PhoneNumber", "+14155550111"), ("AllowedCallers[]", "4155550123"))
    assert isinstance(refused, Say)


@pytest.mark.parametrize("name", ["forward", "simulring", "callme"])
def test_twimlet_that_returns_from_its_dial(name: str) -> None:
    assert goes_to(name, *RETURNED) == "http://example.com/fail.mp3"
    (over,) = verbs(name, ("Dial", "true"), ("DialCallStatus", "completed"), RETURNED[2])
    assert isinstance(over, Hangup)
    (over,) = verbs(name, ("Dial", "true"), ("DialCallStatus", "busy"))
    assert isinstance(over, Hangup)


def test_simulring_rings_at_most_ten_sorted_and_whispers() -> None:
    verb = dial("simulring", *((f"PhoneNumbers[{n}]", f"+1415555{n:04}") for n in range(12, 0, -1)), ("Message", "Hi"))
    assert numbers(verb) == [f"+1415555{n:04}" for n in range(3, 13)]
    assert all(isinstance(noun, Number) and query(noun.url) == {"Message": ["Hi"]} for noun in verb.nouns)


def test_findme_tries_one_number_after_the_other() -> None:
    asked = (("PhoneNumbers[0]", "+14155550111"), ("PhoneNumbers[1]", "+14155550112"), ("FailUrl", "http://e.com/"))
    first = dial("findme", *asked)
    assert (numbers(first), first.timeout_s) == (["+14155550111"], 60)
    back = [(name, value) for name, values in query(first.action).items() for value in values]
    second = dial("findme", *back, ("DialCallStatus", "no-answer"))
    assert numbers(second) == ["+14155550112"]
    back = [(name, value) for name, values in query(second.action).items() for value in values]
    assert goes_to("findme", *back, ("DialCallStatus", "completed"), ("DialBridged", "false")) == "http://e.com/"
    (over,) = verbs("findme", *back, ("DialCallStatus", "completed"), ("DialBridged", "true"))
    assert isinstance(over, Hangup)


def test_whisper_connects_on_a_key_and_with_a_human_check_only_then() -> None:
    (gather,) = verbs("whisper")
    assert isinstance(gather, Gather) and gather.num_digits == 1
    assert isinstance(gather.prompts[0], Say) and "1, 4, 1, 5" in gather.prompts[0].text
    _, hangup = verbs("whisper", ("HumanCheck", "1"), ("Message", "http://example.com/hi.mp3"))
    assert isinstance(hangup, Hangup)
    assert verbs("whisper", ("Digits", "5")) == ()
    assert isinstance(verbs("whisper", ("Digits", ""))[0], Hangup)


def test_voicemail_records_and_thanks() -> None:
    said, record = verbs("voicemail", ("Email", "me@example.com"))
    assert isinstance(said, Say) and isinstance(record, Record)
    assert record.transcribe and query(record.action)["Email"] == ["me@example.com"]
    _, silent = verbs("voicemail", ("Email", "me@example.com"), ("Transcribe", "false"), ("Message", "http://e.com/a"))
    assert isinstance(silent, Record) and not silent.transcribe and silent.transcribe_callback is None
    thanks = verbs("voicemail", ("RecordingUrl", "http://example.com/RE"))
    assert [type(verb) for verb in thanks] == [Say, Hangup]
    assert verbs("voicemail", ("TranscriptionStatus", "completed"), ("RecordingUrl", "http://example.com/RE")) == ()


def test_conference_asks_for_its_password_and_lets_moderators_start_it() -> None:
    gather, again = verbs("conference", ("Password", "12345"), ("Digits", "1"))
    assert isinstance(gather, Gather) and gather.num_digits == 5
    assert isinstance(again, Redirect) and again.url == ""
    asked = (("Password", "12345"), ("Digits", "12345"), ("Moderators[0]", "415-555-0100"), ("Music", "rock"))
    _, entered = verbs("conference", *asked)
    assert isinstance(entered, Dial)
    (room,) = entered.nouns
    assert isinstance(room, Conference) and room.start_conference_on_enter
    assert query(room.wait_url) == {"Bucket": ["com.twilio.music.rock"]} and room.wait_method.value == "GET"
    _, other = verbs("conference", ("Moderators[0]", "415-555-0123"), ("Name", "room"))
    assert isinstance(other, Dial)
    (room,) = other.nouns
    assert isinstance(room, Conference) and (room.room, room.start_conference_on_enter) == ("room", False)


def test_menu_goes_on_at_the_option_that_was_pressed() -> None:
    options = (("Options[1]", "http://example.com/one"), ("Options[23]", "http://example.com/two"))
    assert goes_to("menu", *options, ("Digits", "23")) == "http://example.com/two"
    gather, again = verbs("menu", *options, ("Message", "Press"))
    assert isinstance(gather, Gather) and gather.num_digits == 2 and isinstance(again, Redirect)
    sorry, *_ = verbs("menu", *options, ("Digits", "9"))
    assert isinstance(sorry, Say)


def test_message_plays_addresses_and_speaks_the_rest() -> None:
    found = verbs("message", ("Message[0]", "http://example.com/a.mp3"), ("Message[1]", "A & B < C"))
    assert isinstance(found[0], Play) and found[0].url == "http://example.com/a.mp3"
    assert isinstance(found[1], Say) and found[1].text == "A & B < C"


def test_echo_answers_its_parameter() -> None:
    assert isinstance(verbs("echo", ("Twiml", "<Response><Hangup/></Response>"))[0], Hangup)


def test_hold_music_plays_what_the_bucket_holds_with_a_message_between() -> None:
    listing = "<Key>a b.mp3</Key><Key>notes.txt</Key><Key>c&amp;d.wav</Key>"
    document = parse(hold_music(listing, "http://example.com/", "Wait", lambda sounds: None))
    played = [verb.url for verb in document.verbs if isinstance(verb, Play)]
    assert played == ["http://example.com/a%20b.mp3", "http://example.com/c%26d.wav"]
    assert sum(isinstance(verb, Say) for verb in document.verbs) == 2
    assert bucket_url("com.twilio.music.rock") == "https://s3.amazonaws.com/com.twilio.music.rock/"
    assert bucket_url("../etc") is None


def test_parameters_hostile_bytes_are_text() -> None:
    found = verbs("message", ("Message[0]", "]]>\x00\x1b<Hangup/>&amp;"))
    assert isinstance(found[0], Say) and "<Hangup/>" in found[0].text
