"""The thread's loop and all it calls, compiled as one program.

Left alone, numba optimises each function and makes machine code of it, with everything it calls inside, and again in
each of its callers: a hundred seconds, of which only the outermost function's result is ever run. Here a function that
Python cannot call (`no_cpython_wrapper`) is kept as numba's compiler wrote it, and the one with a door for Python takes
in all it reaches and is optimised once, by the same passes.

This replaces four methods of numba's code library, which are no public interface: it is done with the versions it was
tested with alone (KNOWN_NUMBA); with others everything is compiled numba's own way, more slowly and to the same effect.
"""

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numba
from llvmlite.binding import Linkage
from numba.core import event
from numba.core.codegen import JITCodeLibrary, JITCPUCodegen
from numba.core.compiler_lock import global_compiler_lock
from numba.core.registry import cpu_target

KNOWN_NUMBA = ((0, 68),)

MACHINE_CODE = "ringfork:machine_code"
"""A numba event around what comes after the last function: all of them optimised and made machine code."""


class _Library(JITCodeLibrary):  # type: ignore[misc]  # numba has no annotations
    """One function's code; with a door for Python, that of all it reaches."""

    def add_llvm_module(self, module: Any) -> None:
        self._final_module.link_in(module)

    def get_pointer_to_function(self, name: str) -> Any:
        """0 for a door that is not there, as numba's; it would make machine code first, to find that out."""
        if not self._finalized and all(function.name != name for function in self._final_module.functions):
            return 0
        return super().get_pointer_to_function(name)

    def finalize(self) -> None:
        self._raise_if_finalized()
        with event.trigger_event(MACHINE_CODE):
            for library in self._reached({}):
                self._reload_init.update(library._reload_init)
                is_part = isinstance(library, _Library)
                part = library._to_share() if is_part else library._get_module_for_linking()
                self._final_module.link_in(part, preserve=True)
            self._shared_module = None
            self._optimize_final_module()
            self._final_module.verify()
            self._finalize_final_module()

    def _reached(self, found: dict[Any, None]) -> dict[Any, None]:
        for library in self._linking_libraries:
            if library not in found:
                found[library] = None
                if isinstance(library, _Library):
                    library._reached(found)
        return found

    def _to_share(self) -> Any:
        """A function is merged where several bring it, and left out where it was inlined."""
        if self._shared_module is None:
            module = self._final_module.clone()
            for function in module.functions:
                if not function.is_declaration and function.linkage == Linkage.external:
                    function.linkage = Linkage.linkonce_odr
            self._shared_module = module
        return self._shared_module

    def _get_module_for_linking(self) -> Any:
        """With all it reaches: for the cache, and for what numba compiles its own way."""
        self._ensure_finalized()
        return self._to_share()

    def add_linking_library(self, library: Any) -> None:
        self._linking_libraries.append(library)


class _Codegen(JITCPUCodegen):  # type: ignore[misc]  # numba has no annotations
    _library_class = _Library

    def set_env(self, env_name: str, env: Any) -> None:
        """The environment is what Python objects are reached by: code that has no machine code yet has none."""
        if self._engine.is_symbol_defined(env_name):
            super().set_env(env_name, env)


@functools.cache
def _codegen() -> Any:
    # First numba's own runtime, which is everybody's and not a part of this.
    cpu_target.target_context.refresh()
    return _Codegen("numba.exec")


def is_known() -> bool:
    return numba.version_info[:2] in KNOWN_NUMBA


@contextmanager
def as_one_program() -> Iterator[None]:
    """What is compiled meanwhile, by this thread alone, is compiled so."""
    if not is_known():
        yield
        return
    context = cpu_target.target_context
    with global_compiler_lock:
        codegen = _codegen()
        own = context._internal_codegen
        context._internal_codegen = codegen
        try:
            yield
        finally:
            context._internal_codegen = own
