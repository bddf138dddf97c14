"""Compiling all that is run as one program, and numba's own way where its inside is not known."""

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba
import pytest
from numba.core.registry import cpu_target

from media.kernel import program
from media.kernel.program import as_one_program

F = TypeVar("F", bound=Callable[..., object])
OPTIONS = {"nogil": True, "error_model": "numpy", "_nrt": False}


def part(function: F) -> F:
    """What Python cannot call."""
    return cast(F, numba.njit(no_cpython_wrapper=True, no_cfunc_wrapper=True, **OPTIONS)(function))


def whole(function: F) -> F:
    return cast(F, numba.njit(**OPTIONS)(function))


def inner_and_outer() -> tuple[Any, Any]:
    """New ones each time: a part, and a whole that calls it and what it calls."""

    @part
    def innermost(number: Any) -> Any:
        return number * number

    @part
    def inner(number: Any) -> Any:
        return innermost(number) + 1

    @whole
    def outer(number: Any) -> Any:
        return inner(number) + innermost(number)

    return inner, outer


def is_machine_code(dispatcher: Any) -> bool:
    (library,) = [overload.library for overload in dispatcher.overloads.values()]
    return bool(library._finalized)


def test_program_knows_the_numba_that_is_installed() -> None:
    """A new version is added to KNOWN_NUMBA when all tests pass with it, the bench of the engine is as it was, and
    `ringfork compile` takes what it took."""
    assert program.is_known()


def test_program_makes_machine_code_once_for_all_functions() -> None:
    inner, outer = inner_and_outer()
    with as_one_program():
        assert outer(7) == 7 * 7 + 1 + 7 * 7
    assert is_machine_code(outer)
    assert not is_machine_code(inner)


def test_program_functions_of_one_program_are_part_of_a_later_one_and_of_numbas_own() -> None:
    inner, outer = inner_and_outer()
    with as_one_program():
        assert outer(7) == 99

    @whole
    def other(number: Any) -> Any:
        return inner(number) - 1

    @whole
    def another(number: Any) -> Any:
        return inner(number) - 2

    with as_one_program():
        assert other(7) == 49
    assert another(7) == 48


def test_program_with_another_numba_is_compiled_its_own_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(program, "KNOWN_NUMBA", ())
    inner, outer = inner_and_outer()
    with as_one_program():
        assert outer(7) == 99
    assert is_machine_code(outer)
    assert is_machine_code(inner)


def test_program_that_does_not_compile_leaves_numba_as_it_was() -> None:
    own = cpu_target.target_context.codegen()

    @whole
    def wrong(number: Any) -> Any:
        return number.nothing_of_the_kind

    with pytest.raises(numba.TypingError), as_one_program():
        wrong(7)
    assert cpu_target.target_context.codegen() is own
