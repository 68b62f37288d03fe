"""Errors of functions: the text of an expected one, and a function with one."""

from collections.abc import Callable
from typing import Any

import pytest


def error_text(kind: type[Exception], call: Callable[..., object], /, *arguments: Any, **options: Any) -> str:
    """Return the text of the error that a call raises."""
    with pytest.raises(kind) as raised:
        call(*arguments, **options)
    return str(raised.value)


def raising(error: BaseException) -> Callable[..., Any]:
    """Return a function that raises an error, in place of one of the system."""

    def call(*_: object, **__: object) -> Any:
        raise error

    return call
