"""Imports go one way, gateway -> signaling -> media, and each special library stays in its place."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
LAYERS = {"media": set(), "signaling": {"media"}, "gateway": {"signaling", "media"}}  # type: dict[str, set[str]]
# library -> where it may be imported: one file, or one folder.
CONFINED = {
    "lxml": ("gateway/twiml/parse.py",),
    "pjsua2": ("signaling/endpoints/",),
    "numba": ("media/",),
    "llvmlite": ("media/",),
    "espeakng_loader": ("media/speech/espeak_worker.py",),
    "piper": ("media/speech/piper_worker.py",),
    "pocketsphinx": ("media/recognition/sphinx_worker.py",),
    "sipmessage": ("signaling/sip/",),
    "aioice": ("signaling/webrtc/connection.py", "signaling/endpoints/peer.py"),
    "aiortc": ("signaling/webrtc/connection.py", "signaling/endpoints/peer.py"),
    "av": ("signaling/endpoints/peer.py",),
}


def modules() -> list[Path]:
    return sorted(path for layer in LAYERS for path in (ROOT / layer).rglob("*.py"))


def imports(path: Path) -> Iterator[tuple[str, bool]]:
    """Every imported top-level name, and whether it is for type checking only."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for_types = {
        node
        for branch in ast.walk(tree)
        if isinstance(branch, ast.If) and ast.unparse(branch.test) == "TYPE_CHECKING"
        for child in branch.body
        for node in ast.walk(child)
    }
    for node in ast.walk(tree):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names = [node.module]
        for name in names:
            yield name.partition(".")[0], node in for_types


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_layers_imports_go_down_only(path: Path) -> None:
    layer = path.relative_to(ROOT).parts[0]
    above = set(LAYERS) - LAYERS[layer] - {layer}
    found = {name for name, _ in imports(path)}
    assert not found & above


@pytest.mark.parametrize("library", CONFINED)
def test_layers_library_stays_in_its_place(library: str) -> None:
    users = {
        path.relative_to(ROOT).as_posix()
        for path in modules()
        if any(name == library and not for_types for name, for_types in imports(path))
    }
    for user in users:
        assert user.startswith(CONFINED[library]), f"{library} is imported in {user}"
    if library in ("lxml", "pjsua2"):
        assert len(users) == 1


ROOTED = {"Engine", "Store", "Outbox", "WebhookClient", "SipAgent", "Registrar", "Trunks", "HttpServer"}


def test_layers_concrete_parts_are_put_together_in_one_place() -> None:
    """Only gateway/app.py makes an engine, a store or an agent; a class may make itself (``Store.open``)."""
    for path in modules():
        if path.relative_to(ROOT).as_posix() == "gateway/app.py":
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        own = {node.name for node in ast.walk(tree) if isinstance(node, ast.ClassDef)}
        called = {ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
        assert not (called & ROOTED) - own, path
