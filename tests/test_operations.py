"""What operators start with: board and alerts ask for metrics that exist, unit and image run commands that exist."""

import json
import re
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from prometheus_client.exposition import generate_latest
from typer.main import get_command

from gateway.cli import app
from gateway.config import Configuration
from gateway.metrics import DaemonCollector, Snapshot, registry_of
from media.engine import EngineStatistics

ROOT = Path(__file__).parent.parent
CONFIGS = ROOT / "configs"


@pytest.fixture(scope="module")
def metrics() -> set[str]:
    """Every name /metrics has."""
    zeros: dict[str, Any] = {name: 0 for name in EngineStatistics.__dataclass_fields__}
    engine = EngineStatistics(**{**zeros, "tick_lateness": np.zeros(1000, np.int64)})
    counts: dict[str, Any] = dict.fromkeys(Snapshot.__dataclass_fields__, 0)
    daemon = Snapshot(**counts)
    text = generate_latest(registry_of(DaemonCollector(engine=lambda: engine, daemon=lambda: daemon))).decode()
    return set(re.findall(r"^(\w+)[ {]", text, re.MULTILINE))


def asked_for(expression: str) -> set[str]:
    return set(re.findall(r"\bringfork_\w+", expression))


def test_grafana_board_asks_for_metrics_that_exist(metrics: set[str]) -> None:
    board = json.loads((CONFIGS / "grafana.json").read_text())
    asked = {name for panel in board["panels"] for target in panel["targets"] for name in asked_for(target["expr"])}
    assert asked and asked <= metrics


def test_alerts_ask_for_metrics_that_exist(metrics: set[str]) -> None:
    text = (CONFIGS / "ringfork-alerts.yml").read_text()
    asked = {name for line in text.splitlines() if "expr:" in line for name in asked_for(line)}
    assert asked and asked <= metrics


def commands() -> set[str]:
    return set(getattr(get_command(app), "commands"))  # noqa: B009  # click's groups carry no type for it here


def test_unit_runs_commands_that_exist() -> None:
    text = (CONFIGS / "ringfork.service").read_text()
    run = [shlex.split(line.partition("=")[2])[:2] for line in text.splitlines() if line.startswith("ExecStart")]
    assert len(run) == 2
    assert all(Path(program).name == "ringfork" and command in commands() for program, command in run)


def test_image_runs_commands_that_exist_as_nobody_special() -> None:
    lines = (ROOT / "docker" / "Dockerfile").read_text().splitlines()
    told = {line.partition(" ")[0]: line.partition(" ")[2] for line in lines if line[:1].isalpha()}
    assert json.loads(told["ENTRYPOINT"]) == ["ringfork"]
    assert json.loads(told["CMD"])[0] in commands()
    compiled = json.loads(
        next(line for line in lines if "compile" in line and line.startswith("RUN [")).partition(" ")[2]
    )
    assert compiled[1] in commands()
    assert told["USER"] == "ringfork"


def test_compose_sets_keys_that_exist() -> None:
    text = (ROOT / "docker" / "compose.yml").read_text()
    for section, key in re.findall(r"RINGFORK_(\w+?)__(\w+):", text):
        field = Configuration.model_fields[section.lower()].annotation
        assert key.lower() in getattr(field, "model_fields")  # noqa: B009  # the section's own model
