"""``ringfork demo`` as a stranger runs it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.endpoint_command import MISSING_PJSUA2
from tests.wire.harness_gateway import RunningGateway

pytestmark = pytest.mark.wire


@pytest.mark.timeout(120)
def test_demo_plays_its_call_and_every_check_holds(
    session_gateway: RunningGateway, needs_pjsua2: None, tmp_path: Path
) -> None:
    """session_gateway: started before, so that the engine is compiled."""
    done = subprocess.run(
        [sys.executable, "-m", "gateway.cli", "demo", "--json", "--output", str(tmp_path / "demo")],
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    report = json.loads(done.stdout)
    failed = [check for check in report["checks"] if not check["ok"]]
    assert not failed, f"{failed}\n{done.stderr}"
    assert (done.returncode, report["ok"]) == (0, True)
    assert report["elapsed_s"] < 30
    assert (tmp_path / "demo" / "recording.wav").samefile(report["recording"])
    assert Path(report["waveform"]).read_bytes().startswith(b"\x89PNG")
    told = [moment["what"] for moment in report["timeline"]]
    assert told.count("rings") == 3 and told.count("answers") == 1
    assert told.count("registered, a browser") == 1 and told.count("registered, a SIP phone") == 3
    assert [moment["who"] for moment in report["timeline"] if moment["what"] == "answers"] == ["bob"]


def test_demo_without_pjsua2_says_how_to_install_it(tmp_path: Path) -> None:
    hidden = "import sys; sys.modules['pjsua2'] = None; from gateway.cli import main; main()"
    for arguments in ([], ["--json"]):
        done = subprocess.run(
            [sys.executable, "-c", hidden, "demo", *arguments, "--output", str(tmp_path)],
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        assert done.returncode == 1
        said = json.loads(done.stdout)["error"] if arguments else done.stderr.strip()
        assert said == MISSING_PJSUA2
