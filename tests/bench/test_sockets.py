"""The bench of idle sockets end to end."""

from pathlib import Path

import pytest

from tests.bench.sockets import measure_sockets


@pytest.mark.wire
@pytest.mark.timeout(240)
async def test_sockets_register_stay_and_are_counted(tmp_path: Path) -> None:
    report = await measure_sockets(sockets=12, seconds=6.0, run=tmp_path, settle_s=0.2)
    assert report.statistics["sockets_lost"] == 0
    # A heartbeat every five seconds.
    assert 12 <= report.statistics["heartbeats_echoed"] <= 24
    assert report.gateway.memory_kb_per_call is not None
    assert {goal.name for goal in report.goals} == {"CPU", "memory a socket", "sockets lost"}
