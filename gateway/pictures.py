"""Who sees whom in a <Dial> that asks for video: pictures pass between two browsers, all else goes on as sound.

A caller whose answer can still wait is told of pictures when it is known what the answering party has of them, so that
both agree on the same. One who was answered before can only be told of what every browser has (VP8).
Source: CallAPI <Client>, <Sip>: Video, enable.
"""

from collections.abc import Sequence

from gateway.scripted import ScriptedCall
from gateway.twiml.model import Client, Dial, Noun, Sip, Verb
from signaling.leg import Leg, Pictured
from signaling.video import Video


def asks_for_video(noun: Noun) -> bool:
    return isinstance(noun, Client | Sip) and noun.video is not None and noun.video.enable


def pictures_of(leg: Leg) -> Video | None:
    """What a party has to show or can see; None without any, as of phones."""
    video = leg.video if isinstance(leg, Pictured) else None
    return video if video is not None and (video.sends or video.receives) else None


def awaits_pictures(call: ScriptedCall, verb: Dial) -> bool:
    """Whether the caller's answer has to wait for the party's, as it may: what it offers is asked for."""
    return not call.is_answered and _asks(verb) and pictures_of(call.leg) is not None


def foresee_pictures(call: ScriptedCall, verbs: Sequence[Verb]) -> None:
    """Before a document answers its caller, or opens its sound early: video that it asks for later counts already."""
    if call.is_answered or not any(isinstance(verb, Dial) and _asks(verb) for verb in verbs):
        return
    offered = pictures_of(call.leg)
    _show(call.leg, None if offered is None else offered.in_every_browser())


def agree_on_pictures(call: ScriptedCall, verb: Dial, answering: Leg) -> None:
    """The caller's answer, if it is still to come, tells of what the answering party shows and sees."""
    if _asks(verb):
        _show(call.leg, pictures_of(answering))


def _show(leg: Leg, video: Video | None) -> None:
    if isinstance(leg, Pictured):
        leg.show(video)


def _asks(verb: Dial) -> bool:
    return any(asks_for_video(noun) for noun in verb.nouns)
