"""Recordings in an object store: moto's S3 server on loopback, the real client, store and files."""

import asyncio
import io
import json
import socket
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import boto3
import pytest
import pytest_asyncio
import soundfile
from aiohttp import web
from moto.server import ThreadedMotoServer
from structlog.testing import capture_logs

from gateway.archive import Archive, Objects, StoredObject
from gateway.config import Configuration, ConfigurationError, load
from gateway.rest.auth import Credentials
from gateway.rest.recordings import RecordingApi, delete_recording
from gateway.rest.shelf import RecordingShelf
from gateway.rest.sound import RecordingFiles, SoundFormat
from gateway.s3 import S3, NoS3
from gateway.sids import new_sid
from gateway.store import Store
from gateway.store.records import RecordingRecord
from tests.gateway.accounts import peers as accounts
from tests.gateway.rest.test_recordings import TOKEN, basic, write_wav
from tests.gateway.store.records import ACCOUNT, recording, url_of

BUCKET, SECRET = "ringfork-test", "a-secret-that-no-log-may-show"
URL = f"s3://{BUCKET}/calls/2026"


@dataclass
class Bucket:
    """What lies in it, asked by another client than ours."""

    endpoint: str
    port: int
    client: Any

    def sizes(self) -> dict[str, int]:
        found = self.client.list_objects_v2(Bucket=BUCKET).get("Contents", ())
        return {each["Key"]: each["Size"] for each in found}

    def put(self, name: str, octets: bytes) -> None:
        self.client.put_object(Bucket=BUCKET, Key=name, Body=octets)


@pytest.fixture(scope="module")
def server() -> Iterator[Bucket]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    port = server.get_host_and_port()[1]
    endpoint = f"http://127.0.0.1:{port}"
    client = boto3.client(
        "s3",
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key=SECRET,
    )
    client.create_bucket(Bucket=BUCKET)
    yield Bucket(endpoint, port, client)
    client.close()
    server.stop()


@pytest.fixture
def bucket(server: Bucket, monkeypatch: pytest.MonkeyPatch) -> Bucket:
    for name in server.sizes():
        server.client.delete_object(Bucket=BUCKET, Key=name)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ENDPOINT_URL", server.endpoint)
    return server


class House:
    def __init__(self, store: Store, directory: Path) -> None:
        self.store = store
        self.directory = directory
        self.files = RecordingFiles(directory)
        self.now = datetime.now(UTC)

    def archive(self, objects: Objects | None = None) -> Archive:
        return Archive(
            objects or S3(URL),
            directory=self.directory,
            store=self.store,
            remove_local=self.files.remove,
            now=lambda: self.now,
        )

    async def add(self, **more: Any) -> RecordingRecord:
        record = replace(recording(new_sid("CA"), "completed"), **more)
        await asyncio.to_thread(write_wav, self.path(record.sid), 2)
        await self.store.write(record)
        return record

    def path(self, sid: str, suffix: str = ".wav") -> Path:
        return self.directory / f"{sid}{suffix}"

    async def until_gone(self, sid: str) -> None:
        async with asyncio.timeout(30):
            while f"{sid}.wav" in await self.names():  # noqa: ASYNC110  # a file tells nobody
                await asyncio.sleep(0.05)

    async def names(self) -> set[str]:
        """Files of recordings."""
        return await asyncio.to_thread(lambda: {path.name for path in self.directory.glob("RE*")})


@pytest_asyncio.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    store = await Store.open(url_of(tmp_path))
    yield House(store, tmp_path)
    await store.close()


def key(sid: str) -> str:
    return f"calls/2026/{sid}.wav"


def away(monkeypatch: pytest.MonkeyPatch) -> S3:
    """An object store at a port at which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{probe.getsockname()[1]}")
    return S3(URL)


async def test_final_recording_is_moved_and_its_file_goes_only_then(house: House, bucket: Bucket) -> None:
    record = await house.add()
    size = (await asyncio.to_thread(house.path(record.sid).stat)).st_size
    archive = house.archive()
    archive.start()
    await house.until_gone(record.sid)
    assert await asyncio.to_thread(bucket.sizes) == {key(record.sid): size}
    later = await house.add()
    archive.keep(later.sid)
    await house.until_gone(later.sid)
    assert set(await asyncio.to_thread(bucket.sizes)) == {key(record.sid), key(later.sid)}
    await archive.close()


async def test_what_is_still_made_read_or_unknown_stays_here(house: House, bucket: Bucket) -> None:
    running = await house.add(status="in-progress")
    ordered = await house.add(details={"transcription": {}}, date_updated=house.now)
    stranger = house.path(new_sid("RE"))
    await asyncio.to_thread(write_wav, stranger, 1)
    assert await house.archive().move_all()
    assert await asyncio.to_thread(bucket.sizes) == {}
    assert await house.names() == {f"{running.sid}.wav", f"{ordered.sid}.wav", stranger.name}


async def test_moved_recording_is_read_whole_in_parts_and_in_other_formats(house: House, bucket: Bucket) -> None:
    record = await house.add()
    octets = await asyncio.to_thread(house.path(record.sid).read_bytes)
    archive = house.archive()
    shelf = RecordingShelf(house.files, archive)
    assert await archive.move_all() and await house.names() == set()
    assert await shelf.is_readable(record.sid)
    sound = await shelf.open(record.sid, SoundFormat.WAV, is_mixed=False)
    assert sound.size == len(octets)
    assert await sound.read(1000, 500) == octets[1000:1500]
    assert await sound.read(0, len(octets)) == octets
    sound.close()
    for made, is_mixed, channels in ((SoundFormat.MP3, False, 2), (SoundFormat.WAV, True, 1)):
        derived = await shelf.open(record.sid, made, is_mixed=is_mixed)
        found = await derived.read(0, derived.size)
        derived.close()
        assert (await asyncio.to_thread(soundfile.info, io.BytesIO(found))).channels == channels
    outline = await shelf.open_outline(record.sid)
    assert len(json.loads(await outline.read(0, outline.size))["channels"]) == 2
    outline.close()
    assert not any(name.endswith(".fetched") for name in await house.names())
    house.now += timedelta(hours=2)
    again = house.archive()
    assert await again.move_all()
    assert await house.names() == set(), "what was made of it goes when nobody asks for it"


async def test_url_of_a_moved_recording_answers_as_before(house: House, bucket: Bucket) -> None:
    record = await house.add()
    octets = await asyncio.to_thread(house.path(record.sid).read_bytes)
    archive = house.archive()
    assert await archive.move_all()
    api = RecordingApi(
        store=house.store,
        files=RecordingShelf(house.files, archive),
        credentials=Credentials(accounts.directory(ACCOUNT, TOKEN)),
        public_url="http://ringfork.example.com",
    )
    assert await api.is_readable(record.sid)
    app = web.Application()
    app.add_routes(api.routes())
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}/2010-04-01/Accounts/{ACCOUNT}/Recordings/{record.sid}"
    async with aiohttp.ClientSession(headers={"Authorization": basic(ACCOUNT, TOKEN)}) as session:

        async def ask(name: str = "", method: str = "GET", **headers: str) -> tuple[int, bytes]:
            async with session.request(method, url + name, headers=headers) as answer:
                return answer.status, await answer.read()

        assert await ask(".wav") == (200, octets)
        assert await ask(Range="bytes=100-199") == (206, octets[100:200])
        assert await ask(Range=f"bytes={len(octets)}-") == (416, b"")
        status, mp3 = await ask(".mp3")
        assert status == 200 and (await asyncio.to_thread(soundfile.info, io.BytesIO(mp3))).format == "MP3"
        assert await ask(method="DELETE") == (204, b"")
        assert (await ask(".wav"))[0] == 404
    assert await asyncio.to_thread(bucket.sizes) == {}
    await runner.cleanup()


async def test_recording_of_nobody_is_not_readable(house: House, bucket: Bucket) -> None:
    shelf = RecordingShelf(house.files, house.archive())
    sid = new_sid("RE")
    assert not await shelf.is_readable(sid)
    for made in SoundFormat:
        with pytest.raises(FileNotFoundError):
            await shelf.open(sid, made, is_mixed=False)


async def test_object_store_that_is_away_costs_no_recording(
    house: House, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = await house.add()
    archive = house.archive(await asyncio.to_thread(away, monkeypatch))
    with capture_logs() as logs:
        assert not await archive.move_all()
    assert archive.failures == 1 and SECRET not in str(logs)
    assert await house.names() == {f"{record.sid}.wav"}
    monkeypatch.setenv("AWS_ENDPOINT_URL", bucket.endpoint)
    assert await house.archive().move_all()
    assert set(await asyncio.to_thread(bucket.sizes)) == {key(record.sid)}


async def test_upload_that_a_crash_cut_off_is_done_again(house: House, bucket: Bucket) -> None:
    record = await house.add()
    whole = (await asyncio.to_thread(house.path(record.sid).stat)).st_size
    await asyncio.to_thread(bucket.put, key(record.sid), b"half of it")
    assert await house.archive().move_all()
    assert await asyncio.to_thread(bucket.sizes) == {key(record.sid): whole}
    assert await house.names() == set()


async def test_file_whose_upload_was_whole_when_the_process_died_goes_at_the_next_start(
    house: House, bucket: Bucket
) -> None:
    record = await house.add()
    whole = (await asyncio.to_thread(house.path(record.sid).stat)).st_size

    async def die() -> None:
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await house.archive(Slow(S3(URL), die)).move_all()
    assert await house.names() == {f"{record.sid}.wav"}
    assert await asyncio.to_thread(bucket.sizes) == {key(record.sid): whole}
    assert await house.archive().move_all()
    assert await asyncio.to_thread(bucket.sizes) == {key(record.sid): whole}
    assert await house.names() == set()


class Forgetful:
    """Says it took everything, and has less."""

    def __init__(self, objects: S3) -> None:
        self._objects = objects

    async def put(self, name: str, path: Path) -> None:
        await self._objects.put(name, path)

    async def head(self, name: str) -> StoredObject:
        found = await self._objects.head(name)
        return replace(found, size=found.size - 1)

    async def read(self, name: str, start: int, count: int) -> bytes:
        return await self._objects.read(name, start, count)

    async def fetch(self, name: str, path: Path) -> None:
        await self._objects.fetch(name, path)

    async def delete(self, name: str) -> None:
        await self._objects.delete(name)


async def test_file_stays_unless_the_object_is_whole(house: House, bucket: Bucket) -> None:
    record = await house.add()
    assert not await house.archive(Forgetful(S3(URL))).move_all()
    assert await house.names() == {f"{record.sid}.wav"}


async def test_deleted_recording_takes_its_object_with_it(house: House, bucket: Bucket) -> None:
    record = await house.add()
    archive = house.archive()
    assert await archive.move_all()
    await delete_recording(record, store=house.store, files=RecordingShelf(house.files, archive))
    assert await asyncio.to_thread(bucket.sizes) == {} and await house.names() == set()


async def test_deletion_while_the_object_store_is_away_is_made_good_by_the_next_process(
    house: House, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = await house.add()
    assert await house.archive().move_all()
    shelf = RecordingShelf(house.files, house.archive(await asyncio.to_thread(away, monkeypatch)))
    await delete_recording(record, store=house.store, files=shelf)
    assert set(await asyncio.to_thread(bucket.sizes)) == {key(record.sid)}
    assert await house.names() == {f"{record.sid}.gone"}
    monkeypatch.setenv("AWS_ENDPOINT_URL", bucket.endpoint)
    assert await house.archive().move_all()
    assert await asyncio.to_thread(bucket.sizes) == {} and await house.names() == set()


async def test_deletion_that_died_before_its_row_was_written_is_none(house: House, bucket: Bucket) -> None:
    record = await house.add()
    archive = house.archive()
    assert await archive.move_all()
    await archive.owe_removal(record.sid)
    house.now += timedelta(hours=1)
    assert await house.archive().move_all()
    assert set(await asyncio.to_thread(bucket.sizes)) == {key(record.sid)} and await house.names() == set()


class Slow(Forgetful):
    """Something happens while an upload is under way."""

    def __init__(self, objects: S3, meanwhile: Any) -> None:
        super().__init__(objects)
        self._whole = objects
        self._meanwhile = meanwhile

    async def put(self, name: str, path: Path) -> None:
        await super().put(name, path)
        await self._meanwhile()

    async def head(self, name: str) -> StoredObject:
        return await self._whole.head(name)


async def test_recording_deleted_while_it_is_moved_leaves_nothing(house: House, bucket: Bucket) -> None:
    record = await house.add()

    async def delete() -> None:
        await delete_recording(record, store=house.store, files=RecordingShelf(house.files, archive))

    archive = house.archive(Slow(S3(URL), delete))
    assert await archive.move_all()
    assert await asyncio.to_thread(bucket.sizes) == {} and await house.names() == set()


def test_archive_url_is_a_bucket_and_carries_no_credentials() -> None:
    account = {"sid": "AC" + "0" * 32, "auth_token": "f" * 32}
    Configuration.model_validate({"account": account, "recordings": {"url": URL}})
    for url in ("https://example.com/x", "s3://key:secret@bucket/x", "s3://", "s3://b/../x?y=1"):
        with pytest.raises(ConfigurationError):
            load(None, {"RINGFORK_ACCOUNT": json.dumps(account), "RINGFORK_RECORDINGS__URL": url})


def test_object_store_that_cannot_be_made_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(NoS3, match=r"recordings\.url"):
        S3("nonsense://")
