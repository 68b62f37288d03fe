"""The text of an expected error, for tests of messages."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest


def error_text(kind: type[Exception], call: Callable[..., object], *arguments: Any, **options: Any) -> str:
    """Return the text of the error that a call raises."""
    with pytest.raises(kind) as raised:
        call(*arguments, **options)
    return str(raised.value)
