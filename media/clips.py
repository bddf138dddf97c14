"""Clips kept ready in memory: decoded once, played by many. Bounded; the least recently played goes first. Pure."""

from collections import OrderedDict
from collections.abc import Hashable

from media.player import Clip


class ClipCache:
    """capacity: bytes of samples. Clips larger than a quarter of it are not kept."""

    def __init__(self, *, capacity: int) -> None:
        self._capacity = capacity
        self._clips: OrderedDict[Hashable, Clip] = OrderedDict()
        self._size = 0

    @property
    def size(self) -> int:
        return self._size

    def get(self, key: Hashable) -> Clip | None:
        clip = self._clips.get(key)
        if clip is not None:
            self._clips.move_to_end(key)
        return clip

    def put(self, key: Hashable, clip: Clip) -> None:
        old = self._clips.pop(key, None)
        if old is not None:
            self._size -= old.samples.nbytes
        if clip.samples.nbytes > self._capacity // 4:
            return
        self._clips[key] = clip
        self._size += clip.samples.nbytes
        while self._size > self._capacity:
            _, oldest = self._clips.popitem(last=False)
            self._size -= oldest.samples.nbytes
