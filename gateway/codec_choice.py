"""Which codec a caller gets who is answered before it is known who talks with him.

One that everybody who is dialled speaks for sure, so that the bridge relays. A leg that can be offered anew is mended
when it turns out wrong; one that cannot (a Voice SDK device) has to be right at the answer, also where the document
speaks before it dials.
"""

from collections.abc import Sequence
from urllib.parse import unquote

from gateway.config import Configuration
from gateway.scripted import ScriptedCall
from gateway.twiml.model import Client, Dial, Hangup, Noun, Number, Pause, Play, Say, Sim, Sip, SipUri, Verb, WhatsApp
from signaling.location import ClientTarget, NumberTarget, SipTarget, Target

_LOOKED_THROUGH = (Dial, Say, Play, Pause, Hangup)
"""Verbs behind which nobody else can come to talk, and for which narrow sound is no loss."""


def prefer_common_codec(call: ScriptedCall, targets: Sequence[Target]) -> None:
    """Of all who may be dialled. What cannot be mended later has to be certain; else it is enough that it may be."""
    leg = call.leg
    location, account_sid = call.services.location, call.facts.account_sid
    parties = [party for target in targets for party in location.repertoires(target, account_sid=account_sid)]
    if parties:
        spoken = [party.certain if leg.is_codec_final else party.possible for party in parties]
        leg.prefer([name for name in leg.codec_choices if all(name in names for names in spoken)])


def look_ahead(call: ScriptedCall, verbs: Sequence[Verb]) -> None:
    """Before a document answers its caller: what is dialled behind a prompt counts already.

    A <Dial> at the head looks by itself, when it dials.
    """
    if call.is_answered or not call.leg.is_codec_final or not verbs or isinstance(verbs[0], Dial):
        return
    targets = dialled_in(verbs, call.services.configuration)
    if targets:
        prefer_common_codec(call, targets)


def dialled_in(verbs: Sequence[Verb], configuration: Configuration) -> list[Target] | None:
    """Everybody whom a document dials. None: others may come to talk too, in a room, say. Pure."""
    found: list[Target] = []
    for verb in verbs:
        if not isinstance(verb, _LOOKED_THROUGH):
            return None
        for noun in verb.nouns if isinstance(verb, Dial) else ():
            targets = _targets_of(noun, configuration)
            if targets is None:
                return None
            found += targets
    return found


def _targets_of(noun: Noun, configuration: Configuration) -> list[Target] | None:
    match noun:
        case Client(identity=identity):
            return [ClientTarget(identity)]
        case Number(number=number):
            return [NumberTarget(number)]
        case Sip(uris=uris):
            return [sip_target(uri, {}, configuration.sip.domain) for uri in uris]
        case Sim(sim_sid=sid):
            return [SipTarget(uri=sim.uri, is_configured=True) for sim in configuration.sims if sim.sid == sid]
        case WhatsApp():
            return []
        case _:
            return None


def sip_target(uri: SipUri, headers: dict[str, str], domain: str) -> Target:
    """A user of our own domain is whoever registered as that identity here; a port names another server."""
    user, at, rest = uri.uri.partition(":")[2].partition("@")
    if at and rest.partition(";")[0].lower() == domain.lower():
        return ClientTarget(unquote(user))
    return SipTarget(uri=uri.uri, username=uri.username, password=uri.password, headers=headers)
