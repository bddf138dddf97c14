"""What a caller enters: every state x event pair, and any order of keys, words and time ends with one outcome."""

import itertools
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.call import IllegalEvent
from gateway.gathering import (
    IGNORED,
    ILLEGAL,
    MAX_DIGITS,
    MOVES,
    Digits,
    Finish,
    GatherEffect,
    GatherEvent,
    Gathering,
    GatherState,
    KeyPressed,
    Listen,
    Nothing,
    PromptsOver,
    Speech,
    SpeechOver,
    SpeechStarted,
    Started,
    StartTimer,
    StopListening,
    StopPrompts,
    TellPartial,
    TimedOut,
    WordsHeard,
)

BOTH = {"takes_keys": True, "hears_speech": True}


def told(model: Gathering, *events: GatherEvent) -> list[GatherEffect]:
    """What the last event leads to."""
    effects: tuple[GatherEffect, ...] = ()
    for event in events:
        effects = model.receive(event)
    return list(effects)


def keys(pressed: str) -> list[KeyPressed]:
    return [KeyPressed(key) for key in pressed]


def in_state(state: GatherState) -> Gathering:
    model = Gathering(takes_keys=True, hears_speech=True)
    told(model, Started())
    if state is not GatherState.PROMPTING:
        told(model, PromptsOver())
    if state is GatherState.DONE:
        told(model, TimedOut())
    assert model.state is state
    return model


EVENTS: dict[type, GatherEvent] = {
    Started: Started(),
    PromptsOver: PromptsOver(),
    KeyPressed: KeyPressed("1"),
    TimedOut: TimedOut(),
    SpeechStarted: SpeechStarted(),
    WordsHeard: WordsHeard("yes"),
    SpeechOver: SpeechOver("yes", 0.9),
}


@pytest.mark.parametrize(
    ("state", "kind"), [pytest.param(*pair) for pair in itertools.product(GatherState, get_args(GatherEvent))]
)
def test_gathering_every_pair_is_decided(state: GatherState, kind: type[GatherEvent]) -> None:
    pair = (state, kind)
    assert (pair in MOVES) + (pair in IGNORED) + (pair in ILLEGAL) == 1
    model = in_state(state)
    if pair in ILLEGAL:
        with pytest.raises(IllegalEvent):
            model.receive(EVENTS[kind])
        assert model.state is state
    elif pair in IGNORED:
        assert model.receive(EVENTS[kind]) == ()
        assert model.state is state
    else:
        model.receive(EVENTS[kind])


@pytest.mark.parametrize(
    ("options", "before", "event", "effects"),
    [
        pytest.param({}, [], Started(), [], id="start: keys need no ear"),
        pytest.param(BOTH, [], Started(), [Listen()], id="start: speech may interrupt"),
        pytest.param(BOTH | {"is_interrupted_by_speech": False}, [], Started(), [], id="start: speech may not"),
        pytest.param(
            BOTH | {"is_interrupted_by_speech": False},
            [Started()],
            PromptsOver(),
            [Listen(), StartTimer()],
            id="speech that may not interrupt is heard from the prompts' end",
        ),
        pytest.param({}, [Started()], PromptsOver(), [StartTimer()], id="time runs from the prompts' end"),
        pytest.param({}, [Started()], KeyPressed("5"), [StopPrompts(), StartTimer()], id="first key stops the prompts"),
        pytest.param({}, [Started(), *keys("5")], PromptsOver(), [], id="prompts that ended as they were stopped"),
        pytest.param({}, [Started(), PromptsOver()], KeyPressed("5"), [StartTimer()], id="each key restarts the time"),
        pytest.param({}, [Started(), PromptsOver()], KeyPressed("A"), [], id="a key no caller has"),
        pytest.param(
            {}, [Started(), PromptsOver(), *keys("12")], KeyPressed("#"), [Finish(Digits("12"))], id="finishing key"
        ),
        pytest.param({}, [Started()], KeyPressed("#"), [StopPrompts(), Finish(Nothing())], id="finishing key alone"),
        pytest.param(
            {"finish_on_key": "*"}, [Started(), *keys("1#")], KeyPressed("*"), [Finish(Digits("1#"))], id="another key"
        ),
        pytest.param(
            {"finish_on_key": ""}, [Started(), *keys("1*")], KeyPressed("#"), [StartTimer()], id="no finishing key"
        ),
        pytest.param(
            {"num_digits": 3}, [Started(), *keys("12")], KeyPressed("3"), [Finish(Digits("123"))], id="numDigits"
        ),
        pytest.param(
            {"num_digits": 1},
            [Started()],
            KeyPressed("3"),
            [StopPrompts(), Finish(Digits("3"))],
            id="one digit is enough",
        ),
        pytest.param({}, [Started(), *keys("12")], TimedOut(), [Finish(Digits("12"))], id="time out after keys"),
        pytest.param({}, [Started(), PromptsOver()], TimedOut(), [Finish(Nothing())], id="time out without any"),
        pytest.param(
            BOTH,
            [Started()],
            SpeechStarted(),
            [StopPrompts(), StartTimer()],
            id="speech stops the prompts",
        ),
        pytest.param(BOTH, [Started(), PromptsOver()], SpeechStarted(), [], id="speech after the prompts"),
        pytest.param(
            BOTH, [Started(), PromptsOver()], WordsHeard("two"), [TellPartial("two")], id="words are told as they come"
        ),
        pytest.param(
            BOTH,
            [Started()],
            WordsHeard("two"),
            [StopPrompts(), StartTimer(), TellPartial("two")],
            id="words stop the prompts",
        ),
        pytest.param(BOTH, [Started(), WordsHeard("two")], KeyPressed("1"), [], id="words first: keys do not count"),
        pytest.param(
            BOTH, [Started(), WordsHeard("two")], KeyPressed("#"), [], id="words first: the finishing key neither"
        ),
        pytest.param(
            BOTH,
            [Started(), PromptsOver(), SpeechStarted()],
            KeyPressed("1"),
            [StopListening(), StartTimer()],
            id="a noise, then keys: keys count",
        ),
        pytest.param(BOTH, [Started(), *keys("1")], WordsHeard("two"), [], id="keys first: words do not count"),
        pytest.param(BOTH, [Started(), *keys("1")], SpeechStarted(), [], id="keys first: speech does not"),
        pytest.param(BOTH, [Started(), *keys("1")], SpeechOver("two"), [], id="keys first: nor does its end"),
        pytest.param(
            BOTH,
            [Started(), WordsHeard("two")],
            SpeechOver("two please", 0.8),
            [Finish(Speech("two please", 0.8))],
            id="an utterance",
        ),
        pytest.param(
            BOTH,
            [Started()],
            SpeechOver("yes"),
            [StopPrompts(), Finish(Speech("yes"))],
            id="an utterance without forewarning",
        ),
        pytest.param(
            BOTH, [Started(), PromptsOver(), SpeechStarted()], TimedOut(), [], id="an utterance is heard to its end"
        ),
        pytest.param(
            BOTH,
            [Started(), PromptsOver(), SpeechStarted(), TimedOut()],
            SpeechOver("yes"),
            [Finish(Speech("yes"))],
            id="an utterance that outlasts the time",
        ),
        pytest.param(
            BOTH,
            [Started(), PromptsOver(), SpeechStarted(), TimedOut()],
            SpeechOver(""),
            [Finish(Nothing())],
            id="a noise that outlasts the time",
        ),
        pytest.param(
            BOTH,
            [Started(), PromptsOver(), SpeechStarted(), SpeechOver("")],
            TimedOut(),
            [Finish(Nothing())],
            id="a noise does not prolong the time",
        ),
        pytest.param(
            BOTH,
            [Started(), PromptsOver(), WordsHeard("hm"), SpeechOver("")],
            KeyPressed("1"),
            [StopListening(), StartTimer()],
            id="words that were none after all",
        ),
        pytest.param(
            {"takes_keys": False, "hears_speech": True}, [Started()], KeyPressed("1"), [], id="only speech is asked for"
        ),
    ],
)
def test_gathering_moves(
    options: dict[str, Any], before: list[GatherEvent], event: GatherEvent, effects: list[GatherEffect]
) -> None:
    assert told(Gathering(**options), *before, event) == effects


def test_gathering_without_limit_ends_at_a_thousand_digits() -> None:
    effects = told(Gathering(), Started(), *keys("1" * MAX_DIGITS))
    assert effects == [Finish(Digits("1" * MAX_DIGITS))]


@given(
    st.lists(st.sampled_from([*keys("12*#A"), PromptsOver(), SpeechStarted(), WordsHeard("a"), SpeechOver("")])),
    st.booleans(),
    st.booleans(),
    st.sampled_from(["", "#", "1"]),
)
def test_gathering_any_order_ends_with_one_outcome(
    events: list[GatherEvent], takes_keys: bool, interrupts: bool, finish_on_key: str
) -> None:
    model = Gathering(
        takes_keys=takes_keys,
        hears_speech=True,
        num_digits=4,
        finish_on_key=finish_on_key,
        is_interrupted_by_speech=interrupts,
    )
    effects = [effect for event in [Started(), *events, PromptsOver()] for effect in model.receive(event)]
    effects += model.receive(TimedOut())
    effects += model.receive(SpeechOver(""))
    finished = [effect.outcome for effect in effects if isinstance(effect, Finish)]
    assert len(finished) == 1
    assert effects.count(StopPrompts()) <= 1
    match finished[0]:
        case Digits(digits):
            assert 0 < len(digits) <= 4 and finish_on_key not in (set(digits) or {""}) and takes_keys
        case Nothing():
            pass
        case Speech():
            raise AssertionError("no utterance had words")
