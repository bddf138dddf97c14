"""Markup of a <Say>, flattened: manners, pauses, pronunciations, and what is told about the rest."""

import pytest

from gateway.speech.markup import flatten
from gateway.twiml import parse
from gateway.twiml.model import Say
from media.speech.piper import piper_voices
from media.speech.utterance import Manner, Reading, Rest, Spoken, Utterance
from media.speech.voices import VoiceChoice


def flat(markup: str, language: str = "en-US") -> tuple[Utterance, list[int]]:
    (verb,) = parse(f"<Response><Say>{markup}</Say></Response>".encode()).verbs
    assert isinstance(verb, Say)
    utterance, problems = flatten(verb.content, VoiceChoice().choose("man", language))
    return utterance, [problem.code for problem in problems]


def manner(attributes: str) -> Manner:
    (spoken,), _ = flat(f"<prosody {attributes}>word</prosody>")
    assert isinstance(spoken, Spoken)
    return spoken.manner


def test_markup_plain_text_is_one_stretch() -> None:
    assert flat("Fish &amp; chips") == ((Spoken("Fish & chips"),), [])


@pytest.mark.parametrize(
    ("attributes", "pause_ms", "codes"),
    [
        ("", 400, []),
        ('time="2s"', 2000, []),
        ('time="250ms"', 250, []),
        ('time="+1.5s"', 1500, []),
        ('time="99s"', 10_000, [12200]),
        ('time="long"', 400, [12200]),
        ('strength="x-strong"', 1200, []),
        ('strength="mighty"', 400, [12200]),
        ('strength="weak" time="3s"', 3000, []),
    ],
)
def test_markup_break_is_a_rest(attributes: str, pause_ms: int, codes: list[int]) -> None:
    utterance, problems = flat(f"a<break {attributes}/>b")
    assert utterance == (Spoken("a"), Rest(pause_ms), Spoken("b"))
    assert problems == codes


def test_markup_break_of_no_strength_joins() -> None:
    assert flat('a <break strength="none"/>b')[0] == (Spoken("a b"),)


def test_markup_sentences_and_paragraphs_end_with_the_longer_rest() -> None:
    utterance, _ = flat("<p><s>a</s> <s>b</s></p><p>c</p>")
    assert utterance == (Spoken("a"), Rest(400), Spoken("b"), Rest(700), Spoken("c"), Rest(700))


@pytest.mark.parametrize(
    ("attributes", "found"),
    [
        ('rate="slow"', Manner(rate=0.75)),
        ('rate="90%"', Manner(rate=0.9)),
        ('rate="+20%"', Manner(rate=1.2)),
        ('rate="10000%"', Manner(rate=1.0)),
        ('rate="1%"', Manner(rate=0.2)),
        ('pitch="x-high"', Manner(pitch=1.4)),
        ('pitch="-10%"', Manner(pitch=0.9)),
        ('pitch="+12st"', Manner(pitch=2.0)),
        ('volume="silent"', Manner(gain_db=-96.0)),
        ('volume="-6dB"', Manner(gain_db=-6.0)),
        ('volume="+60dB"', Manner(gain_db=6.0)),
        ('volume="loud" rate="fast"', Manner(gain_db=4.0, rate=1.25)),
    ],
)
def test_markup_prosody_is_in_numbers(attributes: str, found: Manner) -> None:
    assert manner(attributes) == found


@pytest.mark.parametrize("attributes", ['rate="swift"', 'rate="-100%"', 'pitch="440Hz"', 'volume="11"'])
def test_markup_prosody_of_a_bad_value_is_told_and_plain(attributes: str) -> None:
    assert flat(f"<prosody {attributes}>word</prosody>") == ((Spoken("word"),), [12200])


def test_markup_prosody_within_prosody_adds_up() -> None:
    utterance, _ = flat('<prosody rate="50%" volume="-6dB">a<prosody rate="50%" volume="-6dB">b</prosody></prosody>')
    assert utterance == (Spoken("a", Manner(rate=0.5, gain_db=-6)), Spoken("b", Manner(rate=0.25, gain_db=-12)))


def test_markup_emphasis_is_slower_and_louder() -> None:
    (spoken,), codes = flat('<emphasis level="strong">no</emphasis>')
    assert isinstance(spoken, Spoken)
    assert spoken.manner.rate < 1 and spoken.manner.gain_db > 0 and not codes
    assert flat('<emphasis level="huge">no</emphasis>')[1] == [12200]


def test_markup_sub_says_its_alias() -> None:
    assert flat('<sub alias="World Wide Web">WWW</sub>')[0] == (Spoken("World Wide Web "),)


def test_markup_lang_changes_the_language() -> None:
    assert flat('<lang xml:lang="de-DE">ja</lang>')[0] == (Spoken("ja", Manner(language="de-DE")),)
    assert flat('<lang xml:lang="xx-XX">ja</lang>') == ((Spoken("ja"),), [12200])


@pytest.mark.parametrize(
    ("attributes", "sounds"),
    [
        ('alphabet="ipa" ph="pɪˈkɑːn"', 'pI"kA:n'),
        ('ph="həˈloʊ"', 'h@"loU'),
        ('alphabet="x-sampa" ph="pI&quot;kA:n"', 'pI"kA:n'),
    ],
)
def test_markup_phonemes_are_x_sampa(attributes: str, sounds: str) -> None:
    assert flat(f"<phoneme {attributes}>pecan</phoneme>") == ((Spoken(sounds, reading=Reading.PHONEMES),), [])


@pytest.mark.parametrize("attributes", ['ph="ʘǃ"', 'ph=""', "", 'alphabet="x-sampa" ph="]][[x"'])
def test_markup_phonemes_that_cannot_be_said_are_told(attributes: str) -> None:
    assert flat(f"<phoneme {attributes}>pecan</phoneme>") == ((Spoken("pecan"),), [13750])


def test_markup_phonemes_are_english_alone() -> None:
    assert flat('<phoneme ph="ab">ab</phoneme>', "de-DE") == ((Spoken("ab"),), [13750])


def test_markup_say_as_stands_apart_from_what_surrounds_it() -> None:
    assert flat('no<say-as interpret-as="digits">12</say-as>now')[0] == (Spoken("no 1 2 now"),)


@pytest.mark.parametrize(
    ("markup", "code"),
    [
        ('<say-as interpret-as="riddle">12</say-as>', 12200),
        ("<say-as>12</say-as>", 12200),
        ('<say-as interpret-as="date">12/99</say-as>', 13750),
    ],
)
def test_markup_say_as_that_cannot_be_is_told_and_read_plain(markup: str, code: int) -> None:
    (spoken,), codes = flat(markup)
    assert isinstance(spoken, Spoken)
    assert spoken.text.strip() in ("12", "12/99") and codes == [code]


def test_markup_role_of_a_word_is_told() -> None:
    assert flat('<w role="amazon:VBD">read</w>') == ((Spoken("read"),), [13750])


@pytest.mark.parametrize(
    "markup",
    ['<prosody pitch="high">a</prosody>', '<lang xml:lang="de-DE">a</lang>', '<phoneme ph="ab">a</phoneme>'],
)
def test_markup_what_a_piper_voice_cannot_is_told(markup: str) -> None:
    (verb,) = parse(f"<Response><Say>{markup}</Say></Response>".encode()).verbs
    assert isinstance(verb, Say)
    utterance, problems = flatten(verb.content, piper_voices(["en_US-test.onnx"])["en_us-test"])
    assert [problem.code for problem in problems] == [13750]
    assert [part.text for part in utterance if isinstance(part, Spoken)] == ["a"]
