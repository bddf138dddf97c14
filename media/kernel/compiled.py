"""How a function becomes machine code, and when machine code of an earlier start may be used again.

One function is cached, the thread's loop; what it calls is compiled into it (program.py). numba keeps the code beside
the source file, or in the user's cache directory where that is read-only (NUMBA_CACHE_DIR chooses another). It looks at
the age of that one file only, not at the files of the functions called from it: so the digest of the whole package is a
field name in the state's record type (layout.py), and any change of any file makes the loop's signature a new one.
"""

import functools
import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar, cast

import numba
from numba.core import event

from media.kernel.program import MACHINE_CODE, as_one_program

F = TypeVar("F", bound=Callable[..., object])

_OPTIONS = {"nogil": True, "error_model": "numpy", "_nrt": False}
"""Integer division by zero gives zero instead of raising: the media thread has nobody to raise to."""

_functions: list[Callable[..., object]] = []
"""All there are to compile; complete when the modules are imported."""


class _Compiled:
    """A function as others are compiled with it. Called from Python, as tests do, it gets a door for that first.

    A door takes longer to compile than its function does, and none is ever used but that of the thread's loop.
    """

    def __init__(self, function: Callable[..., object]) -> None:
        self._dispatcher = numba.njit(no_cpython_wrapper=True, no_cfunc_wrapper=True, **_OPTIONS)(function)
        self._resolve = self._dispatcher.get_call_template
        self._dispatcher.get_call_template = self._resolve_without_constants
        # What numba takes an object for whose name it finds in a function.
        self._numba_type_ = self._dispatcher._numba_type_

    def _resolve_without_constants(self, arguments: Any, keywords: Any) -> Any:
        # Left alone, numba compiles a function anew for each constant passed to it: a fifth of a cold start.
        return self._resolve(tuple(map(numba.types.unliteral, arguments)), keywords)

    @functools.cached_property
    def _door(self) -> Any:
        return numba.njit(**_OPTIONS)(self._dispatcher.py_func)

    def __call__(self, *arguments: object) -> object:
        with as_one_program():
            return self._door(*arguments)


def compiled(function: F) -> F:
    """Compiled into the functions that call it; once, whatever constants it is called with."""
    _functions.append(function)
    return cast(F, _Compiled(function))


def compiled_once(function: F) -> F:
    """Called from Python, and kept on disk for the next start, if any directory can be written."""
    _functions.append(function)
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
        self._done: set[Callable[..., object]] = set()

    def on_start(self, event: Any) -> None:
        if event.kind == MACHINE_CODE and self._done:
            self._tell("machine code")

    def on_end(self, event: Any) -> None:
        if event.kind == MACHINE_CODE:
            return
        function = event.data["dispatcher"].py_func
        if function in _functions and function not in self._done:
            self._done.add(function)
            self._tell(function.__name__.strip("_").replace("_", " "))

    def _tell(self, step: str) -> None:
        self._progress(step, len(self._done), len(_functions))


@contextmanager
def compiling(progress: Callable[[str, int, int], None]) -> Iterator[None]:
    """Tells each function that gets compiled meanwhile: (its name in words, how many so far, of how many)."""
    counter = _Counter(progress)
    for kind in ("numba:compile", MACHINE_CODE):
        event.register(kind, counter)
    try:
        yield
    finally:
        for kind in ("numba:compile", MACHINE_CODE):
            event.unregister(kind, counter)
