"""Recordings as a client reads them: a real server, a real store, files on disk."""

import asyncio
import io
import json
import os
from base64 import b64encode
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import aiohttp
import numpy as np
import pytest
import pytest_asyncio
import soundfile
from aiohttp import web
from twilio.base.exceptions import TwilioRestException
from twilio.rest import Client
from yarl import URL

from gateway.rest.auth import Credentials
from gateway.rest.dispatch import RestApi
from gateway.rest.recordings import RecordingApi
from gateway.rest.shelf import RecordingShelf
from gateway.rest.sound import RecordingFiles
from gateway.sids import new_sid
from gateway.store import Store
from gateway.store.records import RecordingRecord
from tests.gateway.accounts import peers as accounts
from tests.gateway.store.records import ACCOUNT, recording, url_of

TOKEN = "f" * 32
KEY, SECRET = "SK" + "1" * 32, "key secret"
RATE, SECONDS = 8000, 2.0


def basic(user: str, password: str) -> str:
    return "Basic " + b64encode(f"{user}:{password}".encode()).decode()


class Served:
    """The API on loopback, and a client that is logged in."""

    def __init__(self, store: Store, directory: Path) -> None:
        self.store = store
        self.directory = directory
        self.base = ""
        self.credentials = Credentials(accounts.directory(ACCOUNT, TOKEN, api_keys={KEY: SECRET}))
        self.api = RecordingApi(
            store=store,
            files=RecordingShelf(RecordingFiles(directory)),
            credentials=self.credentials,
            public_url="https://voice.example.com/",
        )
        self.session = aiohttp.ClientSession()

    def url(self, name: str, *, account: str = ACCOUNT) -> str:
        return f"{self.base}/2010-04-01/Accounts/{account}/Recordings/{name}"

    async def get(self, name: str, *, method: str = "GET", account: str = ACCOUNT, **headers: str) -> "Answer":
        auth = basic(ACCOUNT, TOKEN)
        named = {key.replace("_", "-"): value for key, value in headers.items()}
        return await self.ask(self.url(name, account=account), method, {"Authorization": auth, **named})

    async def ask(self, url: str, method: str, headers: dict[str, str]) -> "Answer":
        async with self.session.request(method, URL(url, encoded=True), headers=headers) as response:
            return Answer(response, await response.read())

    async def add(self, *, channels: int = 2, status: str = "completed") -> RecordingRecord:
        record = replace(recording(new_sid("CA"), status), channels=channels)
        await asyncio.to_thread(write_wav, self.directory / f"{record.sid}.wav", channels)
        await self.store.write(record)
        return record


class Answer:
    def __init__(self, response: aiohttp.ClientResponse, body: bytes) -> None:
        self.status = response.status
        self.headers = response.headers
        self.body = body
        self.json = json.loads(body) if response.content_type == "application/json" and body else {}


def tone(hertz: float) -> np.ndarray[tuple[int], np.dtype[np.int16]]:
    at = np.arange(int(RATE * SECONDS)) / RATE
    return (8000 * np.sin(2 * np.pi * hertz * at)).astype(np.int16)


def write_wav(path: Path, channels: int) -> None:
    soundfile.write(path, np.stack([tone(440), tone(880)][:channels], axis=1), RATE, subtype="PCM_16")


def loudest(samples: np.ndarray[tuple[int], np.dtype[np.int16]], count: int = 1) -> list[int]:
    spectrum = np.abs(np.fft.rfft(samples.astype(np.float64) * np.hanning(len(samples))))
    found = [round(index * RATE / len(samples)) for index in np.argsort(spectrum)[::-1]]
    kept: list[int] = []
    for hertz in found:
        if all(abs(hertz - other) > 20 for other in kept):
            kept.append(hertz)
        if len(kept) == count:
            break
    return sorted(kept)


@pytest_asyncio.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    directory = tmp_path / "recordings"
    directory.mkdir()
    store = await Store.open(url_of(tmp_path))
    served = Served(store, directory)
    app = web.Application()
    app.add_routes(served.api.routes())
    app.add_routes(RestApi([], credentials=served.credentials).routes())
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    served.base = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield served
    await served.session.close()
    await runner.cleanup()
    await store.close()


@pytest.mark.parametrize("suffix", ["", ".wav"])
async def test_recording_is_served_as_the_file_it_is(served: Served, suffix: str) -> None:
    record = await served.add()
    answer = await served.get(record.sid + suffix)
    assert (answer.status, answer.headers["Content-Type"]) == (200, "audio/x-wav")
    assert answer.body == (served.directory / f"{record.sid}.wav").read_bytes()
    assert answer.headers["Accept-Ranges"] == "bytes"


async def test_recording_head_tells_the_length_and_sends_nothing(served: Served) -> None:
    record = await served.add()
    answer = await served.get(record.sid, method="HEAD")
    size = (served.directory / f"{record.sid}.wav").stat().st_size
    assert (answer.status, answer.headers["Content-Length"], answer.body) == (200, str(size), b"")


async def test_recording_range_gives_that_part(served: Served) -> None:
    record = await served.add()
    whole = (served.directory / f"{record.sid}.wav").read_bytes()
    part = await served.get(record.sid, Range="bytes=10-19")
    assert (part.status, part.body) == (206, whole[10:20])
    assert part.headers["Content-Range"] == f"bytes 10-19/{len(whole)}"
    two = await served.get(record.sid, Range="bytes=0-3,-4")
    assert two.status == 206
    assert two.headers["Content-Type"].startswith("multipart/byteranges; boundary=")
    assert int(two.headers["Content-Length"]) == len(two.body)
    assert whole[:4] in two.body
    assert whole[-4:] in two.body
    assert f"bytes 0-3/{len(whole)}".encode() in two.body


@pytest.mark.parametrize("header", ["bytes=99999999-", "bytes=0-,0-,0-", "bytes=" + ",".join(["0-"] * 500)])
async def test_recording_range_bombs_are_416(served: Served, header: str) -> None:
    record = await served.add()
    answer = await served.get(record.sid, Range=header)
    assert (answer.status, answer.body) == (416, b"")
    assert answer.headers["Content-Range"].startswith("bytes */")


async def test_recording_known_version_is_304_and_changed_one_whole(served: Served) -> None:
    record = await served.add()
    etag = (await served.get(record.sid)).headers["ETag"]
    assert (await served.get(record.sid, If_None_Match=f'"x", {etag}')).status == 304
    assert (await served.get(record.sid, Range="bytes=0-3", If_Range=etag)).status == 206
    assert (await served.get(record.sid, Range="bytes=0-3", If_Range='"old"')).status == 200
    modified = (await served.get(record.sid)).headers["Last-Modified"]
    assert (await served.get(record.sid, If_Modified_Since=modified)).status == 304
    assert (await served.get(record.sid, If_Modified_Since="yesterday")).status == 200


async def test_recording_one_channel_has_both_voices(served: Served) -> None:
    record = await served.add()
    answer = await served.get(record.sid + ".wav?RequestedChannels=1")
    samples, rate = soundfile.read(io.BytesIO(answer.body), dtype="int16")
    assert (rate, samples.ndim) == (RATE, 1)
    assert loudest(samples, 2) == [440, 880]
    same = await served.get(record.sid + ".wav?RequestedChannels=2")
    assert same.body == (served.directory / f"{record.sid}.wav").read_bytes()


@pytest.mark.parametrize("requested", ["2", "3", "0", "-1", "one", ""])
async def test_recording_channels_it_does_not_have_are_16113(served: Served, requested: str) -> None:
    record = await served.add(channels=1)
    answer = await served.get(f"{record.sid}.wav?RequestedChannels={requested}")
    assert (answer.status, answer.json["code"]) == (400, 16113)


async def test_recording_mp3_sounds_the_same_and_is_made_once(served: Served) -> None:
    record = await served.add()
    answers = await asyncio.gather(*(served.get(record.sid + ".mp3") for _ in range(5)))
    assert {(answer.status, answer.headers["Content-Type"]) for answer in answers} == {(200, "audio/mpeg")}
    assert len({answer.headers["ETag"] for answer in answers}) == 1
    samples, rate = soundfile.read(io.BytesIO(answers[0].body), dtype="int16")
    assert rate == RATE
    assert [loudest(samples[:, 0]), loudest(samples[:, 1])] == [[440], [880]]
    assert abs(len(answers[0].body) * 8 / SECONDS - 32_000) < 4_000
    assert sorted(path.suffix for path in served.directory.iterdir()) == [".mp3", ".wav"]


async def test_recording_mp3_of_one_channel_is_mixed(served: Served) -> None:
    record = await served.add()
    answer = await served.get(record.sid + ".mp3?RequestedChannels=1")
    samples, _ = soundfile.read(io.BytesIO(answer.body), dtype="int16")
    assert loudest(samples, 2) == [440, 880]


async def test_recording_broken_file_is_an_error_of_ours_without_details(served: Served) -> None:
    record = await served.add()
    (served.directory / f"{record.sid}.wav").write_bytes(b"RIFF")
    answer = await served.get(record.sid + ".mp3")
    assert (answer.status, answer.json["code"]) == (503, 20503)
    assert str(served.directory) not in answer.body.decode()
    assert len(list(served.directory.iterdir())) == 1


async def test_recording_resource_is_what_the_helper_reads(served: Served) -> None:
    record = await served.add()
    client = Client(ACCOUNT, TOKEN)
    client.api.base_url = served.base
    found = await asyncio.to_thread(client.recordings(record.sid).fetch)
    assert (found.sid, found.call_sid, found.status, found.channels) == (record.sid, record.call_sid, "completed", 2)
    assert (found.duration, found.source, found.error_code) == ("4", "DialVerb", None)
    assert found.start_time is not None
    assert found.media_url == f"https://voice.example.com/2010-04-01/Accounts/{ACCOUNT}/Recordings/{record.sid}"
    with pytest.raises(TwilioRestException) as caught:
        await asyncio.to_thread(client.recordings(new_sid("RE")).fetch)
    assert (caught.value.status, caught.value.code) == (404, 20404)


@pytest.mark.parametrize(
    ("status", "shown"),
    [("in-progress", "processing"), ("failed", "absent"), ("absent", "absent"), ("completed", None)],
)
async def test_recording_not_completed_has_no_sound_but_a_resource(
    served: Served, status: str, shown: str | None
) -> None:
    record = await served.add(status=status)
    assert (await served.get(record.sid)).status == (200 if status == "completed" else 404)
    assert (await served.get(record.sid + ".json")).json["status"] == (shown or status)
    assert await served.api.is_readable(record.sid) is (status == "completed")


async def test_recording_without_file_cannot_be_read(served: Served) -> None:
    record = await served.add()
    (served.directory / f"{record.sid}.wav").unlink()
    assert (await served.get(record.sid)).status == 404
    assert not await served.api.is_readable(record.sid)
    assert not await served.api.is_readable("../../etc/passwd")


@pytest.mark.parametrize(
    "authorization",
    [
        None,
        "",
        "Basic",
        "Basic !!!!",
        "Bearer " + TOKEN,
        basic(ACCOUNT, "wrong"),
        basic(ACCOUNT, ""),
        basic("", ""),
        basic("AC" + "9" * 32, TOKEN),
        basic("AC" + "9" * 32, "\0"),
        basic(KEY, TOKEN),
        basic(ACCOUNT, SECRET),
        "Basic " + "A" * 5000,
    ],
)
async def test_recording_needs_credentials(served: Served, authorization: str | None) -> None:
    record = await served.add()
    headers = {} if authorization is None else {"Authorization": authorization}
    for name in (record.sid, new_sid("RE"), "nonsense"):
        answer = await served.ask(served.url(name), "GET", headers)
        assert (answer.status, answer.json["code"]) == (401, 20003)
        assert answer.headers["WWW-Authenticate"] == 'Basic realm="Twilio API"'
    assert (await served.ask(served.base + "/2010-04-01/anything", "GET", headers)).status == 401


async def test_recording_api_key_opens_it_too(served: Served) -> None:
    record = await served.add()
    headers = {"Authorization": basic(KEY, SECRET)}
    assert (await served.ask(served.url(record.sid), "GET", headers)).status == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "OPTIONS", "TRACE", "PATCH"])
async def test_recording_other_methods_are_405(served: Served, method: str) -> None:
    record = await served.add()
    answer = await served.get(record.sid, method=method)
    assert (answer.status, answer.json["code"], answer.headers["Allow"]) == (405, 20004, "GET, HEAD, DELETE")


async def test_recording_that_is_deleted_is_gone_with_what_was_made_of_it(served: Served) -> None:
    record = await served.add()
    assert (await served.get(f"{record.sid}.mp3")).status == 200
    assert (await served.get(f"{record.sid}.json", method="DELETE")).status == 204
    assert (await served.get(f"{record.sid}.json")).status == 404
    assert list(served.directory.glob(f"{record.sid}*")) == []
    kept = await served.store.recording(record.sid)
    assert kept is not None and kept.status == "deleted"


async def test_recording_that_still_runs_cannot_be_deleted(served: Served) -> None:
    record = await served.add(status="in-progress")
    answer = await served.get(record.sid, method="DELETE")
    assert (answer.status, answer.json["code"]) == (400, 20009)


@pytest.mark.parametrize(
    "name",
    [
        "../ringfork.db",
        "%2e%2e%2fringfork.db",
        "..%2fringfork.db",
        "%2e%2e/ringfork.db",
        "..%5cringfork.db",
        "%2fetc%2fpasswd",
        "RE" + "0" * 32 + "%00.wav",
        "RE" + "0" * 32 + "/../../ringfork.db",
        "RE" + "0" * 31 + "%2f",
        "RE" + "0" * 32 + ".txt",
        "RE" + "0" * 32 + ".wav.part",
        "RE" + "0" * 32 + ".mono.wav",
        "A" * 5000,
        "%C0%AE%C0%AE%C0%AF",
        "",
        ".",
    ],
)
async def test_recording_names_that_are_none_are_404(served: Served, name: str) -> None:
    answer = await served.get(name)
    assert (answer.status, answer.json["code"]) == (404, 20404)


async def test_recording_of_another_account_is_404(served: Served) -> None:
    record = await served.add()
    assert (await served.get(record.sid, account="AC" + "9" * 32)).status == 404


@pytest.mark.parametrize("suffix", [".wav", ".mp3"])
async def test_recording_link_in_the_directory_is_not_followed(served: Served, tmp_path: Path, suffix: str) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(b"secret" * 100)
    record = await served.add()
    (served.directory / f"{record.sid}{suffix}").unlink(missing_ok=True)
    os.symlink(secret, served.directory / f"{record.sid}{suffix}")
    answer = await served.get(record.sid + suffix)
    assert answer.status in (404, 503)
    assert b"secret" not in answer.body.replace(record.sid.encode(), b"")


async def test_recording_database_away_is_503(served: Served) -> None:
    record = await served.add()
    await served.store.close()
    answer = await served.get(record.sid)
    assert (answer.status, answer.json["code"]) == (503, 20503)
    await served.store.close()


async def test_recording_removed_takes_derived_files_along(served: Served) -> None:
    record = await served.add()
    await served.get(record.sid + ".mp3")
    await served.get(record.sid + ".wav?RequestedChannels=1")
    await asyncio.to_thread(RecordingFiles(served.directory).remove, record.sid)
    assert list(served.directory.iterdir()) == []
