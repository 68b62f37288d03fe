"""Records on disk."""

from __future__ import annotations

import glob
import hashlib
import os
import re
from collections import Counter
from collections.abc import Collection, Sequence
from contextlib import suppress
from pathlib import Path

from pydantic import ValidationError

from quba_check.errors import OptionError, UserError
from quba_check.messages import nearest
from quba_check.records.record import Record
from quba_check.storage.atomic import write_atomically
from quba_check.storage.user_files import LARGEST_JSON, decode_json, file_kind, os_errors, read_bytes
from quba_check.strict_yaml import check_schema

SCHEMA = 1
"""Version of records."""
SUFFIX = ".json"
LONGEST = 100
"""Largest length of a model's name in a file name; file systems allow 255 bytes in all."""
IMAGES_SUFFIX = ".npz"
"""Suffix of the per-image file next to a record."""
_OURS = re.compile(r'about\.npy|<meta name="generator" content="quba-check">|\A##+ (✅|❌|⚠)'.encode())
"""What a per-image file and a page hold, and the start of a summary."""
HISTORY = "approvals.jsonl"
"""File next to an approved record, with a line for each approval."""
WRITABLE_FILE = "a file in a folder that you may write to"
"""What is allowed in place of a file that cannot be written."""


def record_paths(path: Path, records: Sequence[Record]) -> tuple[Path, ...]:
    """Return a path for each record: `path` for a single one, else PATH-NAME-PROTOCOL.

    Characters of a model's name that are awkward in file names become `-`, and long names are cut. Models
    that would share a file (ignoring case) also get the start of their fingerprint, and a number if that is
    the same too.

    >>> record_paths(Path("out/report.json"), [])
    ()
    """
    if len(records) == 1:
        return (path,)
    names = [f"{_file_name(record.model.name)[:LONGEST]}-{record.protocol}" for record in records]
    counts = Counter(map(str.casefold, names))
    unique: dict[str, str] = {}
    for name, record in zip(names, records, strict=True):
        with_fingerprint = f"{name}-{_file_name(record.model.fingerprint)[:8]}"
        numbered = (f"{with_fingerprint}-{number}" for number in range(2, len(records) + 2))
        candidates = [*([name] if counts[name.casefold()] == 1 else []), with_fingerprint, *numbered]
        free = next(candidate for candidate in candidates if candidate.casefold() not in unique)
        unique[free.casefold()] = free
    return tuple(path.with_name(f"{path.stem}-{name}{path.suffix}") for name in unique.values())


def remove_stale_records(path: Path, specs: Collection[str], baseline: Path | None = None) -> None:
    """Remove records of earlier runs, before the options of this one are read.

    A run that ends at once then leaves no record that could be taken for its own. Removed are the record at
    `path`, and those of the same models with their own name and protocol added. Other files are kept.

    Args:
        path: see `record_paths`.
        specs: the models of this run, as given.
        baseline: record that the run compares with; kept.

    Raises:
        UserError: one of them cannot be removed, or the run would replace the baseline.
    """
    check_is_no_baseline(path, baseline)
    for file in (path, *path.parent.glob(f"{glob.escape(path.stem)}-*{path.suffix}")):
        try:
            record = load_record(file)[0]
        except UserError:
            continue
        # As `record_paths` may name one of several records.
        words = re.escape(f"{path.stem}-{_file_name(record.model.name)[:LONGEST]}-{record.protocol}")
        pattern = rf"{words}(-[0-9a-f]{{8}}(-[0-9]+)?)?{re.escape(path.suffix)}"
        is_named_after = re.fullmatch(pattern, file.name)
        if file == path or (is_named_after and record.model.spec in specs):
            if len(specs) > 1:
                check_is_no_baseline(file, baseline)
            if not _is_same(file, baseline):
                _remove(file)


def check_replaceable(path: Path, flag: str) -> None:
    """Refuse to replace links and the files of others.

    An empty file is replaced.

    Args:
        path: a record, per-image file, page or summary to write.
        flag: the option that names it.

    Raises:
        OptionError: it may not be replaced.
    """
    is_ours = not path.is_file()
    with suppress(UserError):
        content = b"" if is_ours else read_bytes(path, "", UserError, LARGEST_JSON)
        is_record = path.suffix == SUFFIX and content and parse_record(content, "")
        is_ours = not content or bool(is_record or _OURS.search(content))
    if path.is_symlink() or not is_ours:
        raise OptionError(
            f"{path} is a link, or no file of quba-check", where=flag, allowed="another file name"
        )


def check_is_no_baseline(path: Path, baseline: Path | None) -> None:
    """Refuse to replace the baseline of a run, its per-image results, or an approved record.

    Raises:
        OptionError: it is the same file, under whatever name, or next to a history of approvals, or see
            `check_replaceable`.
    """
    if (path.parent / HISTORY).exists():
        raise OptionError(
            f"{path} is in the folder of an approved record",
            where="--quba-record",
            allowed="another folder",
            hint="'quba-check approve' replaces the approved record.",
        )
    files = (path, path.with_suffix(IMAGES_SUFFIX))
    if baseline is not None and any(map(_is_same, files, (baseline, baseline.with_suffix(IMAGES_SUFFIX)))):
        raise OptionError(
            f"{path} is the file of --quba-baseline, which the record of this run would replace",
            where="--quba-record",
            allowed="another file",
        )
    for file in files:
        check_replaceable(file, "--quba-record")


def _is_same(path: Path, other: Path | None) -> bool:
    """True if both paths lead to one file, also by links."""
    try:
        return other is not None and path.samefile(other)
    except (OSError, ValueError):  # one of them does not exist
        return False


def write_record(record: Record, path: Path) -> None:
    """Write a record as JSON; see `write_text`."""
    write_text(record.to_json(), path)


def write_images(content: bytes | None, record: Path) -> None:
    """Write the per-image file next to a record, or remove an earlier one.

    Raises:
        UserError: the file cannot be written.
    """
    path = record.with_suffix(IMAGES_SUFFIX)
    if content is not None:
        write_bytes(content, path)
        return
    if file_kind(path, str(path), UserError) == "other":
        _target(path)
    _remove(path)


def _remove(path: Path) -> None:
    """Remove a file of an earlier run, if it exists."""
    problem = "belongs to another run and cannot be removed"
    allowed = "a folder that you may write to"
    hint = "Remove the file, or name another --quba-record."
    with os_errors(problem, UserError, where=str(path), allowed=allowed, hint=hint):
        path.unlink(missing_ok=True)


def write_text(text: str, path: Path) -> None:
    """Write a text file atomically; create its folder if missing.

    Raises:
        UserError: the file cannot be written.
    """
    write_bytes(text.encode(), path)


def write_bytes(content: bytes, path: Path) -> None:
    """Write a file atomically; create its folder if missing.

    Raises:
        UserError: the file cannot be written.
    """
    target = _target(path)
    with os_errors("cannot be written", UserError, where=str(path), allowed=WRITABLE_FILE):
        target.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(target, content)


def load_record(path: Path, label: str | None = None) -> tuple[Record, str]:
    """Return a record, without a check of its verdicts, and the SHA-256 of its bytes.

    Args:
        path: the file.
        label: its name in messages; None for its path.

    Raises:
        UserError: the file cannot be read or is not a record.
    """
    where = label or str(path)
    try:
        data = read_bytes(path, where, UserError, LARGEST_JSON)
        return parse_record(data, where), hashlib.sha256(data).hexdigest()
    except UserError as why:
        if why.allowed:
            raise
        raise UserError(f"{why}", allowed="the record of a run", hint=_hint(path)) from why


def parse_record(data: bytes, where: str) -> Record:
    """Return the record in the content of a file; see `load_record`."""
    content = decode_json(data, where, UserError)
    check_schema(content, SCHEMA, where, UserError)
    try:
        return Record.model_validate(content)
    except ValidationError as why:
        error = why.errors()[0]
        problem = ": ".join(
            filter(None, [".".join(map(str, error["loc"])), error["msg"].removeprefix("Value error, ")])
        )
        raise UserError(f"not a record: {problem}.", where=where) from why


def _hint(path: Path) -> str:
    """Return a question with the nearest name of a record next to an invalid one."""
    others: list[str] = []
    with suppress(OSError):
        files = path.parent.glob(f"*{SUFFIX}")
        others = sorted(file.stem for file in files if file.is_file() and file != path)
    near = nearest(path.stem, others)
    return f"Did you mean '{near}{SUFFIX}'?" if near else ""


def _file_name(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9._]+", "-", name).strip("-.") or "model"


def _target(path: Path) -> Path:
    """Return the regular file to write, with links resolved.

    Raises:
        UserError: the path leads to a folder, a pipe, a device, or an open file of a process.
    """
    kind = file_kind(path, str(path), UserError)
    is_open_file = path.is_symlink() and path.absolute().parts[1] in ("dev", "proc")
    if kind not in ("file", None) or is_open_file:
        description = "a folder" if kind == "folder" else "a pipe or a device"
        raise UserError(
            f"is {description}", where=f"{path}", allowed="a file, which is replaced, or a new one"
        )
    return Path(os.path.realpath(path)) if path.is_symlink() else path
