"""The console's routes over real HTTP: who gets in, who sees what, and that nothing else comes out."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
import pytest
import pytest_asyncio
import soundfile
from aiohttp import web

from gateway.accounts.entries import Account, Key
from gateway.console import routes as console_routes
from gateway.console.live import Audience
from gateway.console.routes import COOKIE, Console
from gateway.console.sessions import IDLE_S, Sessions
from gateway.console.story import Stories
from gateway.rest.auth import Credentials
from gateway.rest.shelf import RecordingShelf
from gateway.rest.sound import PEAKS, RecordingFiles
from gateway.sids import new_sid
from gateway.store import Store
from gateway.store.records import CallRecord, EventRecord, RecordingRecord
from gateway.web.routes import console_routes as console_pages
from gateway.web.routes import web_routes
from signaling.leg import Direction
from signaling.sip.limits import GuessGuard, GuessLimits
from tests.gateway.accounts.peers import SINCE, directory
from tests.gateway.peers import PeerLeg
from tests.gateway.store.records import ACCOUNT, START, call, completed, event, leg, recording, url_of

TOKEN = "f" * 32
OTHER = "AC" + "9" * 32
KEY = "SK" + "1" * 32
SECRETS = {ACCOUNT: TOKEN, KEY: "key secret", OTHER: "other"}
HOSTILE = "<img src=x onerror=alert(1)>\u202e\u2028</script>"


class Served:
    """The console on loopback; ``client`` keeps cookies as a browser does."""

    def __init__(self, store: Store, recordings: Path) -> None:
        self.store = store
        self.directory = recordings
        self.now_s = 1000.0
        self.base = ""
        self.audience = Audience()
        self.legs: dict[str, list[Any]] = {}
        self.running: list[CallRecord] = []
        self.accounts = directory(ACCOUNT, TOKEN, api_keys={KEY: SECRETS[KEY]})
        self.accounts.put(
            Account(
                sid=OTHER,
                owner_sid=ACCOUNT,
                friendly_name="other",
                auth_token=SECRETS[OTHER],
                date_created=SINCE,
                date_updated=SINCE,
            )
        )
        guard = GuessGuard(GuessLimits(failures=3), clock=lambda: self.now_s)
        credentials = Credentials(self.accounts, guard=guard)
        store.listen_written(self.audience.written)
        self.console = Console(
            store=store,
            stories=Stories(store=store, legs_of=lambda _sids: self.legs, now=lambda: START),
            shelf=RecordingShelf(RecordingFiles(recordings)),
            running=self._running,
            presence=lambda account: [{"identity": "alice", "protocol": "SIP", "account": account}],
            audience=self.audience,
            sessions=Sessions(
                clock=lambda: self.now_s, still_holds=lambda session: credentials.holds(session.user, session.proof)
            ),
            log_in=credentials.log_in,
            public_url="https://voice.example.com",
        )
        self.client = aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True))

    def _running(self, account_sid: str) -> tuple[list[CallRecord], int]:
        own = [each for each in self.running if each.account_sid == account_sid]
        return own, len(own)

    async def log_in(self, user: str = ACCOUNT, secret: str | None = None, **headers: str) -> int:
        body = {"user": user, "secret": SECRETS[user] if secret is None else secret}
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        async with self.client.post(f"{self.base}/console/session", json=body, headers=named) as answer:
            return answer.status

    async def get(self, path: str, *, status: int = 200, **headers: str) -> Any:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        async with self.client.get(f"{self.base}/console/{path}", headers=named) as answer:
            assert answer.status == status, f"{path}: {answer.status} {await answer.text()}"
            return await answer.json() if answer.content_type == "application/json" else await answer.read()

    @asynccontextmanager
    async def listening(self, query: str = "") -> AsyncIterator["Stream"]:
        async with self.client.get(f"{self.base}/console/live{query}") as answer:
            assert (answer.status, answer.content_type) == (200, "text/event-stream")
            stream = Stream(answer)
            assert (await stream.next())[0] == "ready"
            yield stream


class Stream:
    def __init__(self, answer: aiohttp.ClientResponse) -> None:
        self._answer = answer

    async def next(self) -> tuple[str, Any]:
        """The next message that is one."""
        async with asyncio.timeout(10):
            while True:
                fields: dict[str, str] = {}
                while line := (await self._answer.content.readuntil(b"\n")).decode().rstrip("\n"):
                    name, _, value = line.partition(":")
                    fields[name] = value.strip()
                if "event" in fields:
                    return fields["event"], json.loads(fields["data"])

    async def end(self) -> None:
        async with asyncio.timeout(10):
            await self._answer.content.read()


@asynccontextmanager
async def serving(tmp_path: Path) -> AsyncIterator[Served]:
    """With the pages, as the daemon serves them."""
    directory = tmp_path / "recordings"
    directory.mkdir()
    store = await Store.open(url_of(tmp_path))
    served = Served(store, directory)
    app = web.Application()
    app.add_routes(web_routes())
    app.add_routes(console_pages())
    app.add_routes(served.console.routes())
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    served.base = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield served
    finally:
        await served.client.close()
        served.audience.close()
        await runner.cleanup()
        await store.close()


@pytest_asyncio.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    async with serving(tmp_path) as served:
        yield served


PATHS = [
    "calls",
    "calls/running",
    f"calls/CA{'0' * 32}",
    f"calls/CA{'0' * 32}/download",
    "presence",
    "recordings",
    f"recordings/RE{'0' * 32}/sound",
    f"recordings/RE{'0' * 32}/outline",
    "live",
]


@pytest.mark.parametrize("path", PATHS)
async def test_console_shows_nothing_without_a_login(served: Served, path: str) -> None:
    answer = await served.get(path, status=401)
    assert list(answer) == ["error"]


async def test_console_login_gives_a_cookie_that_no_script_and_no_other_site_can_use(served: Served) -> None:
    body = {"user": ACCOUNT, "secret": TOKEN}
    async with served.client.post(f"{served.base}/console/session", json=body) as answer:
        assert answer.status == 200
        assert await answer.json() == {"account_sid": ACCOUNT, "user": ACCOUNT}
        (cookie,) = answer.headers.getall("Set-Cookie")
    parts = {part.strip().lower() for part in cookie.split(";")}
    assert {"httponly", "samesite=strict", "path=/console"} <= parts
    assert TOKEN not in cookie and ACCOUNT not in cookie
    assert (await served.get("session"))["account_sid"] == ACCOUNT


async def test_console_of_a_suspended_account_says_so(served: Served) -> None:
    account = served.accounts.account(OTHER)
    assert account is not None
    served.accounts.put(replace(account, status="suspended"))
    body = {"user": OTHER, "secret": SECRETS[OTHER]}
    async with served.client.post(f"{served.base}/console/session", json=body) as answer:
        assert (answer.status, (await answer.json())["error"]) == (403, "This account is not active.")


async def test_console_login_by_an_api_key_sees_the_account(served: Served) -> None:
    assert await served.log_in("SK" + "1" * 32) == 200
    assert await served.get("session") == {"account_sid": ACCOUNT, "user": "SK" + "1" * 32}


@pytest.mark.parametrize(("user", "secret"), [(ACCOUNT, "wrong"), ("AC" + "5" * 32, TOKEN), ("", TOKEN), (ACCOUNT, "")])
async def test_console_login_that_is_wrong_is_refused(served: Served, user: str, secret: str) -> None:
    assert await served.log_in(user, secret) in (400, 401)
    assert await served.get("session") == {"account_sid": None, "user": None}
    await served.get("calls", status=401)


async def test_console_guessing_is_stopped_even_with_the_right_secret(served: Served) -> None:
    assert [await served.log_in(ACCOUNT, f"guess {number}") for number in range(3)] == [401, 401, 401]
    assert await served.log_in() == 429
    served.now_s += 901
    assert await served.log_in() == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example.com"},
        {"Origin": "null"},
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
    ],
)
async def test_console_login_and_logout_come_from_its_own_page(served: Served, headers: dict[str, str]) -> None:
    assert await served.log_in(**headers) == 403
    assert await served.log_in() == 200
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    async with served.client.delete(f"{served.base}/console/session", headers=named) as answer:
        assert answer.status == 403
    await served.get("calls")


async def test_console_login_through_a_proxy_that_names_the_public_host(served: Served) -> None:
    assert await served.log_in(Origin="https://voice.example.com", Sec_Fetch_Site="same-origin") == 200


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        ("user=a&secret=b", "application/x-www-form-urlencoded", 415),
        ('{"user": "a", "secret": "b"}', "text/plain", 415),
        ("{", "application/json", 400),
        ("[]", "application/json", 400),
        ('{"user": 1, "secret": null}', "application/json", 400),
        ("[" * 4000, "application/json", 400),
        ('{"user": "\\ud800", "secret": "\\ud800"}', "application/json", 401),
        (json.dumps({"user": "a", "secret": "b" * 5000}), "application/json", 413),
    ],
)
async def test_console_login_of_a_strange_kind_is_refused(served: Served, body: str, kind: str, status: int) -> None:
    headers = {"Content-Type": kind}
    async with served.client.post(f"{served.base}/console/session", data=body.encode(), headers=headers) as answer:
        assert answer.status == status, await answer.text()


async def test_console_session_ends_by_logout_by_time_and_with_its_key(served: Served) -> None:
    await served.log_in()
    async with served.client.delete(f"{served.base}/console/session") as answer:
        assert answer.status == 204
    await served.get("calls", status=401)
    await served.log_in()
    served.now_s += IDLE_S + 1
    await served.get("calls", status=401)
    await served.log_in("SK" + "1" * 32)
    key = served.accounts.get(Key, ACCOUNT, KEY)
    assert key is not None
    served.accounts.discard(key)
    await served.get("calls", status=401)


async def test_console_new_login_ends_the_session_before(served: Served) -> None:
    await served.log_in()
    before = {each.key: each.value for each in served.client.cookie_jar}[COOKIE]
    await served.log_in()
    async with aiohttp.ClientSession(cookies={COOKIE: before}) as other:
        async with other.get(f"{served.base}/console/calls") as answer:
            assert answer.status == 401


async def test_console_answers_may_be_shown_nowhere_and_kept_by_nobody(served: Served) -> None:
    await served.log_in()
    async with served.client.get(f"{served.base}/console/calls") as answer:
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["Content-Security-Policy"] == "default-src 'none'; frame-ancestors 'none'"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"
        assert "Access-Control-Allow-Origin" not in answer.headers


async def test_console_lists_calls_newest_first_and_goes_on_behind_a_sid(served: Served) -> None:
    records = [completed(call()) for _ in range(70)]
    await served.store.write(*records)
    await served.log_in()
    newest = sorted((record.sid for record in records), reverse=True)
    page = await served.get("calls")
    assert [row["sid"] for row in page["calls"]] == newest[:50] and page["has_more"]
    rest = await served.get(f"calls?after={newest[49]}")
    assert [row["sid"] for row in rest["calls"]] == newest[50:] and not rest["has_more"]
    await served.get("calls?after=CA1' OR 1=1", status=400)


async def test_console_running_calls_come_with_their_legs(served: Served) -> None:
    running = call("in-progress")
    served.running += [running, replace(call(), account_sid=OTHER)]
    served.legs[running.sid] = [PeerLeg("alice", direction=Direction.INBOUND)]
    await served.log_in()
    answer = await served.get("calls/running")
    assert [row["sid"] for row in answer["calls"]] == [running.sid] and answer["count"] == 1
    (row,) = answer["legs"]
    assert row["call_sid"] == running.sid and row["is_live"]


async def story_of(served: Served, path: str) -> Any:
    parent = completed(call())
    child = replace(completed(call()), parent_call_sid=parent.sid, direction="outbound-dial")
    took = {"method": "POST", "took_ms": 3000, "params": [["From", "a"]], "status": 200}
    webhook = EventRecord(call_sid=parent.sid, at=event(parent.sid, after_s=4).at, name="webhook", details=took)
    problem = replace(event(parent.sid, "problem", after_s=2), level="warning", code=12200, line=4, column=3)
    told = replace(event(parent.sid, "ringing", after_s=3), details={"child_sid": child.sid})
    message = replace(event(child.sid, "sip", after_s=1.5), details={"text": "INVITE", "is_sent": True, "peer": "x"})
    await served.store.write(
        parent, child, leg(child.sid), recording(parent.sid, "completed"), event(parent.sid, "call"), told, problem
    )
    await served.store.write(message, webhook)
    await served.log_in()
    return await served.get(path.format(parent=parent.sid, child=child.sid)), parent.sid, child.sid


async def test_console_story_of_a_call_tells_all_of_it(served: Served) -> None:
    story, parent, child = await story_of(served, "calls/{parent}")
    assert story["call"]["sid"] == parent and story["parent"] is None
    assert [row["sid"] for row in story["children"]] == [child]
    assert [row["name"] for row in story["timeline"]] == ["call", "problem", "ringing"]
    assert [row["at"] for row in story["webhooks"]] == ["2025-03-14T09:26:57.589+00:00"]
    assert [row["call_sid"] for row in story["messages"]] == [child]
    (warning,) = story["warnings"]
    assert (warning["code"], warning["line"], warning["column"]) == (12200, 4, 3)
    (told,) = story["legs"]
    assert told["codec"] == "PCMU" and told["quality"]["jitter_ms"] == 1.5
    assert len(story["recordings"]) == 1
    assert story["is_kept"] == {"webhooks": True, "sip": True} and story["is_whole"]


async def test_console_story_of_a_dialled_call_takes_from_the_call_that_dialled(served: Served) -> None:
    story, parent, _ = await story_of(served, "calls/{child}")
    assert story["parent"]["sid"] == parent
    assert [row["name"] for row in story["timeline"]] == ["ringing"]
    assert len(story["messages"]) == 1 and story["webhooks"] == []


async def test_console_story_is_downloaded_as_one_file(served: Served) -> None:
    story, parent, _ = await story_of(served, "calls/{parent}")
    async with served.client.get(f"{served.base}/console/calls/{parent}/download") as answer:
        assert answer.headers["Content-Disposition"] == f'attachment; filename="{parent}.json"'
        assert await answer.json() == story


async def test_console_sees_nothing_of_another_account(served: Served) -> None:
    record, sound = completed(call()), recording(new_sid("CA"), "completed")
    await asyncio.to_thread(write_wav, served.directory / f"{sound.sid}.wav")
    await served.store.write(record, sound)
    await served.log_in(OTHER)
    assert (await served.get("calls"))["calls"] == []
    assert (await served.get("calls/running"))["calls"] == []
    assert (await served.get("recordings"))["recordings"] == []
    for path in (f"calls/{record.sid}", f"calls/{record.sid}/download", f"live?call={record.sid}"):
        await served.get(path, status=404)
    for path in ("sound", "outline"):
        await served.get(f"recordings/{sound.sid}/{path}", status=404)
    assert (await served.get("presence"))["devices"][0]["account"] == OTHER


@pytest.mark.parametrize("sid", ["CAx", "CA" + "z" * 32, "..%2fx", "RE" + "0" * 32, "CA" + "0" * 33])
async def test_console_strange_sids_are_not_there(served: Served, sid: str) -> None:
    await served.log_in()
    for path in (f"calls/{sid}", f"recordings/{sid}/sound", f"live?call={sid}"):
        async with served.client.get(f"{served.base}/console/{path}") as answer:
            assert answer.status == 404


async def test_console_text_of_strangers_is_json_and_never_a_page(served: Served) -> None:
    record = replace(completed(call()), from_=HOSTILE, caller_name=HOSTILE)
    problem = replace(event(record.sid, "problem"), message=HOSTILE, url="http://ann:letmein@x/?token=sesame")
    await served.store.write(record, problem)
    await served.log_in()
    async with served.client.get(f"{served.base}/console/calls/{record.sid}") as answer:
        text = await answer.text()
        assert answer.content_type == "application/json"
    assert json.loads(text)["call"]["from"] == HOSTILE
    assert "letmein" not in text and "sesame" not in text


def write_wav(path: Path) -> None:
    at = np.arange(8000) / 8000
    loud, quiet = (20_000 * np.sin(2 * np.pi * 440 * at)), (2_000 * np.sin(2 * np.pi * 440 * at))
    soundfile.write(path, np.stack([loud, quiet], axis=1).astype(np.int16), 8000, subtype="PCM_16")


async def add_sound(served: Served) -> RecordingRecord:
    record = recording(new_sid("CA"), "completed")
    await asyncio.to_thread(write_wav, served.directory / f"{record.sid}.wav")
    await served.store.write(record)
    return record


async def test_console_outline_is_made_once_and_cached_by_the_browser(served: Served) -> None:
    record = await add_sound(served)
    await served.log_in()
    url = f"{served.base}/console/recordings/{record.sid}/outline"
    answers = await asyncio.gather(*(served.get(f"recordings/{record.sid}/outline") for _ in range(5)))
    assert all(answer == answers[0] for answer in answers)
    loud, quiet = answers[0]["channels"]
    assert len(loud) == len(quiet) == PEAKS and answers[0]["duration_s"] == 1.0
    assert max(high for _, high in loud) in range(74, 80) and min(low for low, _ in quiet) in (-8, -7)
    async with served.client.get(url) as answer:
        tag = answer.headers["ETag"]
    async with served.client.get(url, headers={"If-None-Match": tag}) as answer:
        assert answer.status == 304
    assert sorted(path.suffix for path in served.directory.iterdir()) == [".json", ".wav"]
    await asyncio.to_thread(RecordingFiles(served.directory).remove, record.sid)
    assert not any(served.directory.iterdir())


async def test_console_sound_is_played_from_where_the_player_wants(served: Served) -> None:
    record = await add_sound(served)
    await served.log_in()
    whole = await served.get(f"recordings/{record.sid}/sound")
    async with served.client.get(
        f"{served.base}/console/recordings/{record.sid}/sound", headers={"Range": "bytes=100-199"}
    ) as answer:
        assert answer.status == 206 and await answer.read() == whole[100:200]


async def test_console_sound_that_is_not_there_is_told_in_words(served: Served) -> None:
    gone, made = recording(new_sid("CA"), "completed"), recording(new_sid("CA"))
    await served.store.write(gone, made)
    (served.directory / f"{gone.sid}.peaks.json.part").touch()
    await served.log_in()
    for record in (gone, made):
        for path in ("sound", "outline"):
            assert "error" in await served.get(f"recordings/{record.sid}/{path}", status=404)
    await asyncio.to_thread((served.directory / f"{gone.sid}.wav").write_bytes, b"no sound at all")
    assert "error" in await served.get(f"recordings/{gone.sid}/outline", status=503)


async def test_console_live_tells_a_call_as_it_is_written(served: Served) -> None:
    await served.log_in()
    record = call()
    async with served.listening() as stream:
        await served.store.write(record, event(record.sid), replace(call(), account_sid=OTHER))
        kind, row = await stream.next()
        assert (kind, row["sid"], row["is_live"]) == ("call", record.sid, True)
        served.audience.presence_changed()
        assert await stream.next() == ("presence", {})


async def test_console_live_page_of_a_call_is_told_that_its_story_goes_on(served: Served) -> None:
    parent = call()
    child = replace(call(), parent_call_sid=parent.sid)
    await served.store.write(parent, child)
    await served.log_in()
    async with served.listening(f"?call={parent.sid}") as stream:
        await served.store.write(event(child.sid))
        assert await stream.next() == ("story", {"call_sid": child.sid})


async def test_console_live_ends_with_the_session_and_with_the_daemon(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(console_routes, "BEAT_S", 0.05)
    await served.log_in()
    async with served.listening() as stream:
        served.now_s += IDLE_S + 1
        await stream.end()
    await served.log_in()
    async with served.listening() as stream:
        served.audience.close()
        await stream.end()
    assert len(served.audience) == 0
    await served.get("live", status=503)


async def test_console_live_does_not_keep_a_session_alive(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(console_routes, "BEAT_S", 0.02)
    await served.log_in()
    async with served.listening() as stream:
        for _ in range(20):
            served.now_s += IDLE_S / 15
            await asyncio.sleep(0.03)
        await stream.end()
