"""Paths and files named by a user, with one-line messages, and JSON from outside.

Pipes are rejected.
"""

from __future__ import annotations

import hashlib
import io
import json
import math
import re
import shutil
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, Literal, cast

from quba_check.errors import OptionError, UserError

PathKind = Literal["file", "folder", "other"]
"""`other`: a pipe, device or socket."""
MIB = 2**20
_ONE_SLASH = re.compile(r"(s3a?|gc?s|az|abfss?|adl|file|https?|s?ftp):/(?!/)", re.IGNORECASE)
"""Start of a URL that lacks a slash, and would name a folder."""
_URL = re.compile(r"[a-z][a-z0-9+.-]+(::[a-z0-9+.:/-]*)?://", re.IGNORECASE)
LARGEST_JSON = 256 * MIB
MOST_NEIGHBOURS = 1000
_MISSING = (FileNotFoundError, NotADirectoryError)
_NO_NAME = 123
"""Errors of paths that do not exist; on Windows, those with a wildcard have a number of their own."""
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")
MOST_DIGITS = 18
"""Most digits of a whole number."""


def user_path(text: str | Path, where: str = "", base: Path = Path()) -> Path:
    """Return a path as given, with `~` expanded.

    Args:
        text: the path; it need not exist.
        where: start of messages, for example the option.
        base: folder of relative paths.

    Raises:
        OptionError: the home folder is unknown, the text cannot be a path, it leads to a pipe or device,
            or it is a URL without one of its slashes.
    """
    slip = _ONE_SLASH.match(str(text))
    if slip:
        url = f"{slip[1]}://{slip.string[slip.end() :]}"
        raise OptionError(
            "a URL has two slashes", where=where, got=f"'{slip[0]}'", hint=f"Did you mean '{url}'?"
        )
    path = base / expand_home(text, where, OptionError)
    if not is_utf8(str(path)):
        raise OptionError(where=where, got=f"'{path}'", allowed="a path that is UTF-8 text")
    if file_kind(path, f"{where}: {path}" if where else f"{path}", OptionError) == "other":
        raise OptionError(f"{path} is a pipe or a device", where=where, allowed="a file or a folder")
    return path


def is_url(text: str | Path) -> bool:
    """Return True for a URL such as `s3://bucket/folder`, False for a path.

    >>> is_url("s3://bucket/folder"), is_url("folder"), is_url("C:/folder")
    (True, False, False)
    """
    return _URL.match(str(text)) is not None


def user_location(text: str | Path, where: str = "", base: Path = Path()) -> str | Path:
    """Return a URL as given, or a path as `user_path` does.

    Raises:
        OptionError: see `user_path`.
    """
    return str(text) if is_url(text) else user_path(text, where, base)


def expand_home(text: str | Path, where: str, error: type[UserError]) -> Path:
    """Return a path with `~` expanded.

    Args:
        text: the path; it need not exist.
        where: start of the message, for example the option.
        error: class of error to raise.

    Raises:
        UserError: the home folder is unknown.
    """
    try:
        return Path(text).expanduser()
    except RuntimeError:
        raise error(
            got=f"'{text}', but the home folder of '{Path(text).parts[0]}' is not known",
            where=where,
            allowed="a path without ~, or with the name of a user of this machine",
        ) from None


def is_utf8(name: str) -> bool:
    """Return False for a file name with bytes outside UTF-8, which reports cannot contain."""
    return not any("\ud800" <= character <= "\udfff" for character in name)


def file_kind(path: Path, label: str, error: type[UserError]) -> PathKind | None:
    """Return the kind of file at a path; None if it does not exist.

    Args:
        path: the path.
        label: start of the message.
        error: class of error to raise.

    Raises:
        UserError: a folder on the way may not be read, links form a loop, or the text cannot be a path.
    """
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError) as problem:
        if isinstance(problem, _MISSING) or getattr(problem, "winerror", 0) == _NO_NAME:
            return None
        raise error(f"cannot be read ({reason(problem)}).", where=label) from None
    if stat.S_ISREG(mode):
        return "file"
    return "folder" if stat.S_ISDIR(mode) else "other"


def neighbours(path: Path, is_wanted: Callable[[Path], bool] = Path.exists) -> list[Path]:
    """Return what is next to a missing path, at most `MOST_NEIGHBOURS`, for suggestions.

    Args:
        path: the path.
        is_wanted: selects files or folders.
    """
    try:
        paths = sorted(islice(path.parent.iterdir(), MOST_NEIGHBOURS))
        return [path for path in paths if path.name.isprintable() and is_wanted(path)]
    except OSError:
        return []


def reason(problem: Exception) -> str:
    """Return the operating system's message for an error, or the error's own."""
    return getattr(problem, "strerror", None) or str(problem)


@contextmanager
def os_errors(problem: str, error: type[UserError], *, where: str, **pieces: str) -> Iterator[None]:
    """Raise errors of the operating system as errors of the user.

    Args:
        problem: what is wrong, such as `cannot be read`; the cause follows.
        error: class of error to raise.
        where: file or option with the problem.
        pieces: `allowed` and `hint`, see `QubaError`.

    Raises:
        UserError: the block raised an OSError.
    """
    try:
        yield
    except OSError as cause:
        raise error(f"{problem} ({reason(cause)}).", where=where, **pieces) from None


def remove(path: Path) -> None:
    """Remove a file, a link or a whole folder, if it exists."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


@contextmanager
def regular_file(path: Path, label: str, error: type[UserError]) -> Iterator[BinaryIO]:
    """Open a file for reading.

    Args:
        path: the file.
        label: start of messages.
        error: class of error to raise.

    Raises:
        UserError: the file does not exist, is not a regular file, or cannot be read.
    """
    kind = file_kind(path, label, error)
    if kind is None:
        raise error("there is no such file.", where=label)
    if kind != "file":
        what = "a folder" if kind == "folder" else "a pipe or a device"
        raise error(f"this is {what}, not a file.", where=label)
    with os_errors("cannot be read", error, where=label), path.open("rb") as file:
        yield file


def read_bytes(path: Path, label: str, error: type[UserError], largest: int) -> bytes:
    """Return the content of a file of at most `largest` bytes.

    Raises:
        UserError: the file cannot be read, or is larger.
    """
    with regular_file(path, label, error) as file:
        content = file.read(largest + 1)
    if len(content) > largest:
        raise error("the file is too large", where=label, allowed=f"at most {largest / MIB:g} MiB")
    return content


def sha256(path: Path, label: str, error: type[UserError]) -> str:
    """Return the SHA-256 of a file as 64 hex digits.

    Raises:
        UserError: the file cannot be read.
    """
    with regular_file(path, label, error) as file:
        return hashlib.file_digest(cast(io.BufferedReader, file), "sha256").hexdigest()


def read_text(path: Path, label: str, error: type[UserError], largest: int = 64 * MIB) -> str:
    """Return the text of a UTF-8 file, with or without a byte order mark.

    Raises:
        UserError: the file cannot be read, is larger than `largest` bytes, or is not UTF-8.
    """
    return decode_text(read_bytes(path, label, error, largest), label, error)


def decode_text(content: bytes, label: str, error: type[UserError]) -> str:
    """Return UTF-8 bytes as text, without a byte order mark.

    Args:
        content: the bytes of a file.
        label: start of the message.
        error: class of error to raise.

    Raises:
        UserError: they are not UTF-8.
    """
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as problem:
        line = content.count(b"\n", 0, problem.start) + 1
        byte = f"0x{content[problem.start]:02x}"
        raise error("the file is not UTF-8 text", where=f"{label}:{line}", got=f"the byte {byte}") from None


def read_json(path: Path, label: str, error: type[UserError]) -> Any:
    """Return the content of a JSON file.

    Raises:
        UserError: the file cannot be read, is not JSON in UTF-8, is nested too deeply, or has a key twice
            or a number that no float can hold.
    """
    return decode_json(read_bytes(path, label, error, LARGEST_JSON), label, error)


def decode_json(content: bytes, label: str, error: type[UserError]) -> Any:
    """Return the content of a JSON file that was read; see `read_json`."""
    try:
        data = parse_json(content)
        if _SURROGATE.search(content):
            json.dumps(data, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise error("it has an escape that is half a character, such as \\ud800.", where=label) from None
    except ValueError as problem:
        raise error(f"{problem}.", where=label) from None
    return data


def parse_json(content: bytes | str) -> Any:
    """Return the data of a JSON text.

    Raises:
        ValueError: it is not JSON in UTF-8, is nested too deeply, or has a key twice or a number that neither
            18 digits nor a float can hold. The message is a part of a sentence.

    >>> parse_json("[" * 100_000)
    Traceback (most recent call last):
    ValueError: it is nested too deeply
    """
    try:
        return json.loads(
            content.decode("utf-8-sig") if isinstance(content, bytes) else content,
            object_pairs_hook=_unique_keys,
            parse_int=_whole_number,
            parse_float=_finite_number,
        )
    except (json.JSONDecodeError, UnicodeDecodeError):
        raise ValueError("it is not JSON") from None
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) < len(pairs):
        names = [key for key, _ in pairs]
        twice = next(key for key in names if names.count(key) > 1)
        raise ValueError(f"the key '{twice}' appears twice")
    return content


def _whole_number(text: str) -> int:
    if len(text.removeprefix("-")) > MOST_DIGITS:
        raise ValueError(f"it has a whole number of more than {MOST_DIGITS} digits")
    return int(text)


def _finite_number(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("it has a number too large to hold")
    return number
