"""What was told to be safe is there after ``kill -9``."""

import asyncio
import subprocess
import sys
from pathlib import Path

from gateway.store import Store
from tests.gateway.store.records import url_of

WRITER = """
import asyncio, sys
from gateway.store import Store
from tests.gateway.store.records import call, completed, event, owed

async def one(store):
    record = call()
    store.write_soon(record, event(record.sid))
    await store.write(completed(record), owed(record.sid, 0), owed(record.sid, 1))
    print(record.sid, flush=True)

async def main():
    store = await Store.open(sys.argv[1])
    while True:
        await asyncio.gather(*(one(store) for _ in range(7)))

asyncio.run(main())
"""


def written_until_killed(url: str) -> list[str]:
    """Sids that a writing process said were safe before it was killed."""
    process = subprocess.Popen([sys.executable, "-c", WRITER, url], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    told = [process.stdout.readline().strip() for _ in range(30)]
    process.kill()
    told += process.stdout.read().split()
    process.stdout.close()
    process.wait()
    return told


async def test_store_killed_process_loses_nothing_that_was_safe(tmp_path: Path) -> None:
    url = url_of(tmp_path)
    for _ in range(3):
        told = await asyncio.to_thread(written_until_killed, url)
        store = await Store.open(url)
        owed = [callback.call_sid for callback in await store.owed_callbacks(limit=100_000)]
        for sid in told:
            record = await store.call(sid)
            assert record is not None
            assert record.status == "completed"
            assert owed.count(sid) == 2
            assert len(await store.events(sid)) == 1
        await store.close()
