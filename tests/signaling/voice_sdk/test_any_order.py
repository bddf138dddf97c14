"""Whatever browsers, owners, sounds and time do, in whatever order: nothing breaks, and nothing is left."""

import asyncio
import random
from typing import Any

import pytest

from signaling.call_message import CallMessage
from signaling.leg import Ended, HangupCause
from signaling.peer_media import Connected, Digit, Failed, Gone, PeerMediaEvent
from signaling.voice_sdk.leg import VoiceSdkLeg
from signaling.voice_sdk.settings import VoiceSdkSettings
from tests.signaling.voice_sdk.peers import Browser, Rig, browser_sdp, token
from tests.virtual_time import run

STEPS = 300


class Chaos:
    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.rig = Rig(VoiceSdkSettings(message_burst=100_000, silent_s=120, restarts_per_minute=1000))
        self.browsers: list[Browser] = []
        self.dialled: list[VoiceSdkLeg] = []
        self.asking: set[asyncio.Task[None]] = set()

    @property
    def legs(self) -> list[VoiceSdkLeg]:
        return [*self.dialled, *self.rig.calls]

    async def step(self) -> None:
        chosen = self.random.choice(
            [
                self.opens,
                self.opens,
                self.logs_in,
                *[self.says] * 6,
                self.loses,
                self.dials,
                self.owner,
                self.sound,
            ]
        )
        chosen()
        if self.random.random() < 0.7:
            await asyncio.sleep(self.random.choice([0, 0, 0, 0.01, 0.01, 0.5, 3, 16]))

    def opens(self) -> None:
        for sound in self.rig.sounds[-6:]:
            sound.delay_s = self.random.choice([0, 0.01, 1, 30])
        if len(self.browsers) < 6:
            browser = Browser(self.rig)
            self.browsers.append(browser)
            if self.random.random() < 0.8:
                browser.log_in(token(self.random.choice(["alice", "alice", "bob"]), lifetime_s=60))

    def logs_in(self) -> None:
        for browser in self.browsers:
            browser.echo()
        if self.browsers:
            browser = self.random.choice(self.browsers)
            good = token(self.random.choice(["alice", "alice", "alice", "bob"]), lifetime_s=40)
            browser.say("listen", token=self.random.choice([good, good, good, "wrong"]))
            browser.say("register", media={"audio": self.random.random() < 0.9})

    def says(self) -> None:
        if not self.browsers:
            return
        browser = self.random.choice(self.browsers)
        leg = self.random.choice(self.legs[-8:] or [None])
        owners = [one for one in self.browsers if leg is not None and one.connection is leg.connection]
        if leg is not None and self.random.random() < 0.8:
            self.says_about(owners[0] if owners and self.random.random() < 0.8 else browser, leg)
            return
        sids = [*(leg.call_sid for leg in self.legs[-6:]), "TJS1", "TJS2", "CAnone"]
        tokens = [*(leg.reconnect.current for leg in self.legs[-6:]), "wrong"]
        sdp = self.random.choice([browser_sdp(), browser_sdp("22"), "refuse", "refuse " + browser_sdp("33")])
        payload: dict[str, Any] = {"callsid": self.random.choice(sids), "sdp": sdp}
        kind = self.random.choice(
            [
                "invite",
                "invite",
                "reconnect",
                "answer",
                "answer",
                "reject",
                "hangup",
                "reinvite",
                "dtmf",
                "message",
                "bad",
            ]
        )
        match kind:
            case "reconnect":
                kind, payload["reconnect"] = "invite", self.random.choice(tokens)
            case "dtmf":
                payload["dtmf"] = "1w2"
            case "message":
                payload |= {"content": 1, "voiceeventsid": "KX1"}
            case "bad":
                kind, payload = "answer", {}
            case _:
                pass
        browser.say(kind, **payload)

    def says_about(self, browser: Browser, leg: VoiceSdkLeg) -> None:
        """What makes sense for the call, more or less."""
        sdp = self.random.choice([*[browser_sdp()] * 6, browser_sdp("22"), "refuse"])
        kinds = ["answer"] * 6 + ["reconnect"] * 3 + ["reject", "hangup", "reinvite", "reinvite", "dtmf"]
        kind = self.random.choice(kinds)
        payload: dict[str, Any] = {"callsid": leg.call_sid, "sdp": sdp, "dtmf": "1"}
        if kind == "reconnect":
            kind, payload["reconnect"] = "invite", leg.reconnect.current
        browser.say(kind, **payload)

    def loses(self) -> None:
        if self.browsers and self.random.random() < 0.7:
            browser = self.browsers.pop(self.random.randrange(len(self.browsers)))
            browser.connection.lost()

    def dials(self) -> None:
        sid = f"CA{self.random.randrange(1 << 64):032x}"
        self.dialled += self.rig.dial(self.random.choice(["alice", "bob"]), call_sid=sid)

    def owner(self) -> None:
        if self.legs:
            leg = self.random.choice(self.legs)
            match self.random.randrange(9):
                case 0:
                    leg.hangup(self.random.choice(list(HangupCause)))
                case 1:
                    self.ask(leg.ring())
                case 2:
                    self.ask(leg.early_media())
                case 3 | 4:
                    self.ask(leg.answer())
                case _:
                    leg.send_message(CallMessage(content="hello"))

    def ask(self, work: Any) -> None:
        task = asyncio.ensure_future(work)
        self.asking.add(task)
        task.add_done_callback(self.asking.discard)

    def sound(self) -> None:
        if self.rig.sounds:
            events: list[PeerMediaEvent] = [Connected(), Connected(), Failed(), Gone(), Digit("1")]
            event = self.random.choice(events)
            self.random.choice(self.rig.sounds[-6:]).tell(event)


@pytest.mark.parametrize("seed", range(40))
def test_any_order_of_events_leaves_nothing_behind(seed: int) -> None:
    async def scene() -> None:
        broken: list[dict[str, Any]] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: broken.append(context))
        chaos = Chaos(seed)
        chaos.rig._ports = 10_000
        for _ in range(STEPS):
            await chaos.step()
        chaos.rig.agent.stop()
        if chaos.asking:
            await asyncio.wait(chaos.asking)
        await asyncio.sleep(200)
        assert broken == []
        assert chaos.rig.agent.live == {"connections": 0, "registered": 0, "legs": 0}
        assert all(sound.is_closed for sound in chaos.rig.sounds)
        for leg in chaos.legs:
            events = [event async for event in leg.events]
            assert [isinstance(event, Ended) for event in events].count(True) == 1
            assert isinstance(events[-1], Ended)

    run(scene())
