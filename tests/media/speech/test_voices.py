"""Names of voices and languages, to voices there are."""

import pytest

from media.speech.piper import NoPiper, check_piper, piper_parts, piper_voices
from media.speech.utterance import Manner, Reading, Rest, Spoken
from media.speech.voices import Engine, Gender, NoSuchLanguage, NoSuchVoice, VoiceChoice

CHOICE = VoiceChoice(
    piper=piper_voices(["/voices/de_DE-thorsten-medium.onnx"]),
    aliases={"polly.marlene": "Piper.de_DE-thorsten-medium"},
)


@pytest.mark.parametrize(
    ("voice", "language", "name", "gender"),
    [
        (None, None, "en-us", Gender.MALE),
        ("man", None, "en-us", Gender.MALE),
        ("woman", "de-DE", "de", Gender.FEMALE),
        ("alice", "fr-CA", "fr-fr", Gender.FEMALE),
        (None, "en-GB", "en-gb", Gender.MALE),
        (None, "es-MX", "es-419", Gender.MALE),
        (None, "zh-CN", "cmn", Gender.MALE),
        (None, "zh-HK", "yue", Gender.MALE),
        (None, "nb-NO", "nb", Gender.MALE),
        (None, "pt-BR", "pt-br", Gender.MALE),
        ("Polly.Joanna", None, "en-us", Gender.FEMALE),
        ("Polly.Matthew-Neural", "en-US", "en-us", Gender.MALE),
        ("polly.brian", None, "en-gb", Gender.MALE),
        ("Polly.Brian", "en-US", "en-gb", Gender.MALE),
        ("Polly.Zhiyu", None, "cmn", Gender.FEMALE),
        ("Polly.Vicki-Generative", None, "de", Gender.FEMALE),
        ("Polly.Newcomer", "it-IT", "it", Gender.FEMALE),
        ("Google.en-US-Standard-A", None, "en-us", Gender.MALE),
        ("Google.en-US-Neural2-C", None, "en-us", Gender.FEMALE),
        ("Google.de-DE-Wavenet-B", "de-DE", "de", Gender.MALE),
        ("Google.en-AU-Chirp3-HD-Charon", None, "en-gb", Gender.MALE),
        ("Google.en-AU-Chirp3-HD-Kore", None, "en-gb", Gender.FEMALE),
    ],
)
def test_voices_every_kind_of_name_has_a_voice(
    voice: str | None, language: str | None, name: str, gender: Gender
) -> None:
    found = CHOICE.choose(voice, language)
    assert (found.engine, found.name, found.gender) == (Engine.ESPEAK, name, gender)


@pytest.mark.parametrize("voice", ["robot", "Piper.nobody", "Google.C", "Azure.Jenny", "polly"])
def test_voices_unknown_name_is_refused(voice: str) -> None:
    with pytest.raises(NoSuchVoice):
        CHOICE.choose(voice, None)


@pytest.mark.parametrize(
    ("voice", "language"),
    [
        ("man", "xx-XX"),
        ("Polly.Joanna", "de-DE"),
        ("Google.de-DE-Wavenet-B", "en-US"),
        ("Google.xx-XX-Wavenet-B", None),
        ("Piper.de_DE-thorsten-medium", "en-US"),
    ],
)
def test_voices_bad_pair_of_voice_and_language_is_refused(voice: str, language: str) -> None:
    with pytest.raises(NoSuchLanguage):
        CHOICE.choose(voice, language)


def test_voices_piper_voice_is_itself_and_may_stand_behind_another_name() -> None:
    for name in ("Piper.de_DE-thorsten-medium", "piper.DE_de-thorsten-MEDIUM", "Polly.Marlene"):
        found = CHOICE.choose(name, "de-AT")
        assert (found.engine, found.name) == (Engine.PIPER, "/voices/de_DE-thorsten-medium.onnx")
        assert found.language == "de-DE"


def test_voices_piper_model_that_is_not_there_is_told_with_its_path() -> None:
    with pytest.raises(NoPiper, match=r"/nowhere/en_US-a\.onnx"):
        check_piper(["/nowhere/en_US-a.onnx"])


def test_voices_piper_gets_text_with_length_and_volume() -> None:
    parts = piper_parts(
        (
            Spoken("a [[b]]"),
            Rest(300),
            Spoken("slow", Manner(rate=0.5, gain_db=-20)),
            Spoken("ab", reading=Reading.CHARACTERS),
        )
    )
    assert parts == [
        {"text": "a [ [b]]", "length": 1.0, "volume": 1.0},
        {"pause_ms": 300},
        {"text": "slow", "length": 2.0, "volume": pytest.approx(0.1)},
        {"text": "a. b", "length": 1.0, "volume": 1.0},
    ]
