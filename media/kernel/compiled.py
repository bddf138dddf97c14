"""How a function becomes machine code, and when machine code of an earlier start may be used again.

One function is cached, the thread's loop; what it calls is compiled into it. numba keeps the code beside the source
file, or in the user's cache directory where that is read-only (NUMBA_CACHE_DIR chooses another). It looks at the age of
that one file only, not at the files of the functions called from it: so the digest of the whole package is a field name
in the state's record type (layout.py), and any change of any file makes the loop's signature a new one.
"""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar, cast

import numba
from numba.core import event

F = TypeVar("F", bound=Callable[..., object])

_OPTIONS = {"nogil": True, "error_model": "numpy", "_nrt": False}
"""Integer division by zero gives zero instead of raising: the media thread has nobody to raise to."""

_names: list[str] = []
"""Of all functions there are to compile; complete when the modules are imported."""


def compiled(function: F) -> F:
    """Compiled at its first call, or into the function that calls it; once, whatever constants it is called with."""
    _names.append(function.__name__)
    dispatcher = numba.njit(**_OPTIONS)(function)
    resolve = dispatcher.get_call_template

    def resolve_without_constants(arguments: Any, keywords: Any) -> Any:
        # Left alone, numba compiles a function anew for each constant passed to it: a fifth of a cold start.
        return resolve(tuple(map(numba.types.unliteral, arguments)), keywords)

    dispatcher.get_call_template = resolve_without_constants
    return cast(F, dispatcher)


def compiled_once(function: F) -> F:
    """As compiled, and kept on disk for the next start, if any directory can be written."""
    _names.append(function.__name__)
    try:
        return cast(F, numba.njit(cache=True, **_OPTIONS)(function))
    except RuntimeError:
        return cast(F, numba.njit(**_OPTIONS)(function))


def source_digest() -> str:
    """Changes with every change of any file of this package."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.name.encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


class _Counter(event.Listener):  # type: ignore[misc]  # numba has no annotations
    def __init__(self, progress: Callable[[str, int, int], None]) -> None:
        self._progress = progress
        self._done: set[str] = set()

    def on_start(self, event: Any) -> None:
        pass

    def on_end(self, event: Any) -> None:
        name = event.data["dispatcher"].py_func.__name__
        if name in _names and name not in self._done:
            self._done.add(name)
            self._progress(name.strip("_").replace("_", " "), len(self._done), len(_names))


@contextmanager
def compiling(progress: Callable[[str, int, int], None]) -> Iterator[None]:
    """Tells each function that gets compiled meanwhile: (its name in words, how many so far, of how many)."""
    counter = _Counter(progress)
    event.register("numba:compile", counter)
    try:
        yield
    finally:
        event.unregister("numba:compile", counter)
