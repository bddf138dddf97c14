"""What was posted and not taken yet, for one consumer. Pure but for the loop it is awaited on."""

import asyncio
from typing import Generic, TypeVar

ItemT = TypeVar("ItemT")


class Mailbox(Generic[ItemT]):
    """For what lives as long as a call, with nothing in it most of the time: asyncio.Queue is four deques, 3.3 kB.

    Not bounded: whoever posts looks at ``len``.
    """

    def __init__(self) -> None:
        self._waiting: list[ItemT] = []
        self._consumer: asyncio.Future[None] | None = None

    def __len__(self) -> int:
        return len(self._waiting)

    def post(self, item: ItemT) -> None:
        self._waiting.append(item)
        if self._consumer is not None and not self._consumer.done():
            self._consumer.set_result(None)

    async def take(self) -> ItemT:
        """The oldest; waits for one. Cancelled, it takes nothing, and another consumer may follow."""
        while not self._waiting:
            await self._posted()
        return self._waiting.pop(0)

    async def _posted(self) -> None:
        consumer = self._consumer = asyncio.get_running_loop().create_future()
        try:
            await consumer
        finally:
            # The one that follows may wait already by the time a cancelled one gets here.
            if self._consumer is consumer:
                self._consumer = None
