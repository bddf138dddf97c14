"""Whatever is read and has no effect is told on the call's record: nothing is silently skipped."""

import asyncio

import pytest

from gateway.twiml.support import Status, language
from tests.gateway.peers import Scene
from tests.gateway.twiml.attribute_rows import ELEMENTS, ROWS
from tests.gateway.twiml.rows import Row
from tests.virtual_time import run

TOLD = 13750
TOLD_AS = {"Dial/WhatsApp": 13215, "Gather/Play": 13320}
"""Elements that are told as a whole, by a code of their own."""
WITHOUT_EFFECT = {
    (element.path, name)
    for element in language()
    for name, status in element.attributes.items()
    if status is Status.PARSED
}


@pytest.mark.parametrize(
    "row",
    [row for row in ROWS if (row.path, row.name) in WITHOUT_EFFECT],
    ids=lambda row: f"{row.path} {row.name}",
)
def test_attribute_without_effect_is_told(row: Row) -> None:
    values = [value for value, meant in row.good.items() if value.strip() and meant != row.default] or list(row.bad)
    codes = noted(ELEMENTS[row.path].format(f"{row.beside} {row.name}='{values[0]}'"))
    assert TOLD_AS.get(row.path, TOLD) in codes


PARAMETER = "<Parameter name='a' value='b'/>"


@pytest.mark.parametrize(
    "document",
    [
        "<Dial><Conference>room<Video enable='true'/></Conference></Dial>",
        f"<Hangup>{PARAMETER}</Hangup>",
        f"<Reject>{PARAMETER}</Reject>",
        "<Enqueue>support<Task>{}</Task></Enqueue>",
        f"<Stop><Stream name='a'>{PARAMETER}</Stream></Stop>",
        *(f"<{verb}><{noun}/></{verb}>" for verb in ("Start", "Stop") for noun in ("Siprec", "Transcription")),
        *(
            f"<Connect><{noun}/></Connect>"
            for noun in ("ConversationRelay", "ConversationRelaySession", "AiSession", "Autopilot", "VirtualAgent")
        ),
        "<Connect><Conversation/></Connect>",
        "<Connect><Room>lobby</Room></Connect>",
    ],
)
def test_element_without_effect_is_told(document: str) -> None:
    assert TOLD in noted(document)


def test_video_that_is_not_enabled_is_not_told() -> None:
    assert TOLD not in noted("<Dial><Conference>room<Video/></Conference></Dial>")


def noted(document: str) -> list[int]:
    """The codes on the record of a call that performs it."""
    scene = Scene({"/voice": f"<Response>{document}</Response>"})
    scene.on_dial = lambda leg: leg.hangs_up()

    async def story(scene: Scene) -> None:
        await asyncio.sleep(30)
        scene.caller.hangs_up()

    run(scene.run(story))
    scene.assert_nothing_lives()
    return scene.codes()
