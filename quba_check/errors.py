"""Errors that quba-check raises on purpose.

    QubaError
    ├── UserError            a mistake of the user: one line, exit code 4, never a traceback
    │   ├── OptionError      a command-line option, an ini value, or a combination of them
    │   ├── ThresholdError   a threshold file (with the line)
    │   ├── SuiteError       a data folder, its manifest, or an image in it
    │   │   ├── FewObjectsError  objects were detected in too few images for sets of them
    │   │   └── DecodeError      an image that cannot be decoded
    │   ├── ModelError       a model spec, a checkpoint, or the model's outputs
    │   │   └── HeadError    the model's number of classes differs from the suite's
    │   ├── DimensionError   a custom dimension: its declaration, or its values
    │   ├── PopulationError  a reference population that cannot grade anything
    │   └── StoreError       the folder of stored predictions
    ├── InvalidValueError    a value that is not allowed; the reader of its file adds the line
    ├── UnmeasurableError    a dimension has no value here, with the reason
    └── InvariantError       a guard detected that a number would be wrong; the value is withheld

Catch `QubaError` for all of them. Every message reads
`where: what is wrong, got X. Allowed: … . Did you mean …?`

Any other exception that reaches pytest or the command line is a bug of quba-check: `describe_bug`.
"""

from __future__ import annotations

import sys
import tempfile
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from quba_check.messages import needs, one_line, without_credentials

BUG_EXIT_CODE = 3
"""Exit code of a bug in quba-check, in pytest runs and commands."""


class QubaError(Exception):
    """Base of all errors that quba-check raises on purpose. All can be sent between processes.

    Their message is one line without passwords, whatever text of files and libraries is in it:
    `where: problem, got X. Allowed: … . Hint`, without the pieces that are empty.

    Attributes:
        where: file and line, option or object with the problem.
        problem: what is wrong; the whole message if nothing else is given.
        got: the wrong value, as the message shows it.
        allowed: the allowed values.
        hint: what to do, or a similar word, as whole sentences.

    Examples:
        >>> print(QubaError("no such class", where="a.yaml:3", got="'cta'", allowed="cat"))
        a.yaml:3: no such class, got 'cta'. Allowed: cat.
    """

    def __init__(
        self, problem: str = "", *, where: str = "", got: str = "", allowed: str = "", hint: str = ""
    ) -> None:
        pieces = (where, problem, got, allowed, hint)
        self.where, self.problem, self.got, self.allowed, self.hint = map(_shown, pieces)
        text = ", ".join(filter(None, [self.problem, got and f"got {self.got}"]))
        text = ": ".join(filter(None, [self.where, text]))
        if (got or allowed or hint) and not text.endswith((".", "?")):
            text = f"{text}."
        sentences = [text, allowed and f"Allowed: {self.allowed}.", self.hint]
        super().__init__(_shown(" ".join(filter(None, sentences))))

    @property
    def pieces(self) -> dict[str, str]:
        """The pieces of the message, for an error of another class or place."""
        return {name: getattr(self, name) for name in ("problem", "where", "got", "allowed", "hint")}

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuilt, (type(self), self.args, self.__dict__)


def _shown(text: str) -> str:
    return one_line(without_credentials(text))


def _rebuilt(kind: type[QubaError], arguments: tuple[Any, ...], attributes: dict[str, Any]) -> QubaError:
    """Return an error as it was, without a call of its constructor."""
    error = kind.__new__(kind, *arguments)
    error.__dict__.update(attributes)
    return error


class UserError(QubaError):
    """A mistake that the user can fix; shown as one line."""


class OptionError(UserError):
    """An option or ini value that is wrong, or excludes another."""


class ThresholdError(UserError):
    """A mistake in a threshold file.

    Attributes:
        messages: the messages of all errors of the file, this one first.
    """

    def __init__(self, problem: str = "", **pieces: str) -> None:
        super().__init__(problem, **pieces)
        self.messages = [str(self)]


class SuiteError(UserError):
    """A data folder, manifest or image that cannot be used."""


class FewObjectsError(SuiteError):
    """Objects were detected in too few images for sets of them."""


class DecodeError(SuiteError):
    """An image that cannot be decoded.

    Attributes:
        cause: the reason that the decoder gave.
    """

    def __init__(self, cause: str, **pieces: str) -> None:
        super().__init__(f"cannot be decoded as an image ({cause})", **pieces)
        self.cause = cause


class ModelError(UserError):
    """A model spec, checkpoint or model output that cannot be used."""


class HeadError(ModelError):
    """A model with another number of classes than the suite.

    Attributes:
        theirs: number of the model's classes.
        classes: number of the suite's classes.
    """

    def __init__(self, problem: str, *, theirs: int, classes: int, **pieces: str) -> None:
        super().__init__(problem, **pieces)
        self.theirs = theirs
        self.classes = classes


class DimensionError(UserError):
    """A dimension that cannot be registered, or breaks its declaration."""


class PopulationError(UserError):
    """A reference population that cannot grade anything."""


class StoreError(UserError):
    """The store cannot be written or read."""


@contextmanager
def extra_needed(what: str, package: str, error: type[UserError], *, extra: str) -> Iterator[None]:
    """Raise an ImportError as an error that names the extra with a package.

    Args:
        what: what needs it, as the start of the message.
        package: the package.
        error: class of error to raise.
        extra: the extra of quba-check with the package.

    Raises:
        UserError: the package is not installed.
    """
    try:
        yield
    except ImportError as missing:
        raise error(f"{what} {needs(package, extra=extra)}") from missing


class InvalidValueError(QubaError, ValueError):
    """A value that is not allowed; whoever reads its file adds the place."""


class UnmeasurableError(QubaError):
    """A dimension has no value on this model and suite.

    Attributes:
        reason: the reason, which names what is missing.
        missing_data: True if the images are the reason: a set is missing, or does not allow a value, such as
            one image per class for class_balance (a demand may then be `optional`). False if the value itself
            is undefined, for example at a clean accuracy of 0.
    """

    def __init__(self, reason: str, *, missing_data: bool = False) -> None:
        super().__init__(reason)
        self.reason = str(self)
        self.missing_data = missing_data


class InvariantError(QubaError):
    """A guard detected that a number would be wrong."""


def describe_bug(error: BaseException) -> str:
    """Save the traceback of an unexpected error; return a one-line report.

    The file goes to the system's folder for temporary files.
    """
    lines = str(error).strip().splitlines()
    kind = f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
    try:
        with tempfile.NamedTemporaryFile(
            "w", -1, "utf-8", prefix="quba-check-", suffix=".txt", delete=False, errors="backslashreplace"
        ) as file:
            report = "".join(traceback.format_exception(error))
            file.write(without_credentials(f"{sys.argv}\nPython {sys.version}\n\n{report}"))
        saved = f"The traceback is in {file.name}; please report it."
    except OSError as save_error:
        saved = f"The traceback could not be saved ({save_error.strerror})."
    kind = one_line(without_credentials(kind))
    return f"quba-check: this is a bug in quba-check, not in your files ({kind}). {saved}"
