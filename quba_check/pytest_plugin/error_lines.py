"""Conversion of errors into pytest usage errors of one line each."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator

import pytest

from quba_check.errors import UserError, describe_bug
from quba_check.messages import paths_as_typed


class BugError(Exception):
    """Cause of usage errors about bugs of quba-check."""


@contextlib.contextmanager
def one_line_errors() -> Iterator[None]:
    """End pytest with one line for user errors and for bugs of quba-check.

    Raises:
        pytest.UsageError: in place of a UserError; in place of any other exception with a BugError as its
            cause, which the plugin turns into its own exit code.
    """
    try:
        yield
    except UserError as error:
        raise pytest.UsageError(paths_as_typed(str(error), sys.argv)) from None
    except pytest.UsageError:
        raise
    except Exception as error:  # noqa: BLE001  the last guard: no traceback reaches the user
        raise pytest.UsageError(describe_bug(error)) from BugError()
