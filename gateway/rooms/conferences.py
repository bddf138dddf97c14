"""The conferences that are going on, by name and by sid. One that is over is forgotten here; its record stays.

Source: Twilio <Conference>: rooms are named within an account.
"""

from collections.abc import Callable, Iterator
from typing import Final

from gateway.parameters import CallFacts
from gateway.rooms.attendance import Admission, Attendance
from gateway.rooms.conference import Room, RoomRefused
from gateway.rooms.conference_model import FULL
from gateway.scripted import ScriptedCall
from gateway.services import Services
from media.engine import Mix, PortsExhausted
from media.player import Clip

_NO_MIX: Final = "expected a free mix for another conference, found none"


class Conferences:
    """open_mix: of the engine. music: what is heard by those who wait without a waitUrl."""

    def __init__(self, *, open_mix: Callable[[], Mix], music: Clip) -> None:
        self._open_mix = open_mix
        self._music = music
        self._by_name: dict[tuple[str, str], Room] = {}
        self._by_sid: dict[str, Room] = {}

    def __len__(self) -> int:
        return len(self._by_sid)

    def __iter__(self) -> Iterator[Room]:
        """Oldest first."""
        return iter(tuple(self._by_sid.values()))

    def get(self, sid: str) -> Room | None:
        return self._by_sid.get(sid)

    def named(self, name: str, *, account_sid: str) -> Room | None:
        return self._by_name.get((account_sid, name))

    def enter(self, call: ScriptedCall, name: str, admission: Admission) -> Attendance:
        """Bring a call into its account's room of that name, which is made if there is none. Raises RoomRefused."""
        room = self.named(name, account_sid=call.facts.account_sid)
        if room is not None:
            return room.enter(call, admission)
        room = self._made(call.services, call.facts, name, admission)
        try:
            return room.enter(call, admission)
        except RoomRefused:
            # The first who wants to come may be wrong himself: a coach of nobody.
            room.discard()
            raise

    def invite(
        self, services: Services, facts: CallFacts, name: str, admission: Admission, *, hang_up: Callable[[], None]
    ) -> Room:
        """Expect a call that is placed in its account's room of that name, made if need be. Raises RoomRefused."""
        room = self.named(name, account_sid=facts.account_sid)
        if room is not None:
            room.invite(admission.participant, hang_up=hang_up)
            return room
        room = self._made(services, facts, name, admission)
        try:
            room.invite(admission.participant, hang_up=hang_up)
        except RoomRefused:
            room.discard()
            raise
        return room

    def _made(self, services: Services, facts: CallFacts, name: str, admission: Admission) -> Room:
        try:
            mix = self._open_mix()
        except PortsExhausted:
            raise RoomRefused(FULL, _NO_MIX) from None
        room = Room(
            services,
            name=name,
            owner=facts,
            settings=admission.settings,
            mix=mix,
            music=self._music,
            on_close=self._forget,
        )
        self._by_name[facts.account_sid, name] = self._by_sid[room.sid] = room
        return room

    def _forget(self, room: Room) -> None:
        del self._by_sid[room.sid]
        del self._by_name[room.account_sid, room.name]
