"""Which codec a caller is answered with when his document speaks before it dials."""

import asyncio

import pytest

from gateway.codec_choice import dialled_in
from gateway.config import load
from gateway.twiml import parse
from signaling.location import BROWSER_CODECS, ClientTarget, NumberTarget, Repertoire, SipTarget, Target
from tests.gateway.peers import ACCOUNT_SID, Scene
from tests.virtual_time import run

CARD = "DE" + "1" * 32
CONFIGURATION = load(
    None,
    {
        "RINGFORK_ACCOUNT__SID": ACCOUNT_SID,
        "RINGFORK_ACCOUNT__AUTH_TOKEN": "0123456789abcdef",
        "RINGFORK_SIP__DOMAIN": "pbx.example.com",
        "RINGFORK_SIMS": f'[{{"sid": "{CARD}", "uri": "sip:sim@example.com"}}]',
    },
)
ALICE, PHONE = ClientTarget("alice"), NumberTarget("+15550123")


@pytest.mark.parametrize(
    ("verbs", "targets"),
    [
        ("", []),
        ("<Say>hi</Say><Hangup/>", []),
        ("<Dial>+15550123</Dial>", [PHONE]),
        ("<Say>hi</Say><Play>/a.wav</Play><Pause/><Dial><Client>alice</Client></Dial>", [ALICE]),
        ("<Dial>+15550123</Dial><Say>nobody</Say><Dial><Client>alice</Client></Dial>", [PHONE, ALICE]),
        ("<Dial><Sip>sip:alice@pbx.example.com</Sip></Dial>", [ALICE]),
        ("<Dial><Sip>sip:b@example.com</Sip></Dial>", [SipTarget(uri="sip:b@example.com")]),
        (f"<Dial><Sim>{CARD}</Sim><Sim>DE2</Sim></Dial>", [SipTarget(uri="sip:sim@example.com", is_configured=True)]),
        ("<Dial><WhatsApp>+15550123</WhatsApp></Dial>", []),
        ("<Dial>+15550123</Dial><Dial><Conference>room</Conference></Dial>", None),
        ("<Dial><Queue>support</Queue></Dial>", None),
        ("<Dial><Application>AP1</Application></Dial>", None),
        ("<Gather/><Dial>+15550123</Dial>", None),
        ("<Dial>+15550123</Dial><Record/>", None),
        ("<Dial>+15550123</Dial><Redirect>/next</Redirect>", None),
        ("<Enqueue>support</Enqueue>", None),
    ],
)
def test_dialled_in_is_everybody_who_may_talk_with_the_caller(verbs: str, targets: list[Target] | None) -> None:
    document = parse(f"<Response>{verbs}</Response>".encode())
    assert dialled_in(document.verbs, CONFIGURATION) == targets


CHOICES = ("OPUS", "PCMU", "PCMA")
DIALS = "<Dial callerId='+15550100'>{}</Dial>"


@pytest.mark.parametrize(
    ("verbs", "is_final", "codecs", "answered"),
    [
        ("<Say>hi</Say>" + DIALS.format("+15550123"), True, {}, ("PCMU", "PCMA")),
        ("<Pause/><Say>hi</Say>" + DIALS.format("<Client>bob</Client>"), True, {}, ("PCMU", "PCMA")),
        ("<Say>hi</Say>" + DIALS.format("<Client>bob</Client>"), True, {"bob": BROWSER_CODECS}, CHOICES),
        ("<Say>hi</Say>" + DIALS.format("+15550123"), False, {}, ()),
        ("<Say>hi</Say>" + DIALS.format("<Conference>room</Conference>"), True, {}, ()),
        ("<Say>hi</Say>", True, {}, ()),
    ],
)
def test_caller_who_hears_a_prompt_first_is_answered_with_what_the_dialled_speak(
    verbs: str, is_final: bool, codecs: dict[str, Repertoire], answered: tuple[str, ...]
) -> None:
    scene = Scene({"/voice": f"<Response>{verbs}</Response>"})
    scene.codecs = codecs
    scene.caller.codec_names = scene.caller.codec_choices = CHOICES
    scene.caller.is_codec_final = is_final
    # Nobody picks up: what counts is how the caller was answered.
    scene.on_dial = lambda leg: leg.hangs_up()

    async def story(scene: Scene) -> None:
        await asyncio.sleep(20)
        scene.caller.hangs_up()

    run(scene.run(story))
    scene.assert_nothing_lives()
    assert (scene.caller.done[0], scene.caller.answered_with) == ("answer", answered)
