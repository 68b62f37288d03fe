"""One model's predictions and records as one file, for another store.

The file is a zip archive without compression. Its member `quba-store.json` states the format and the size and
digest of every other member; these have the names that they have in a store.
"""

from __future__ import annotations

import hashlib
import json
import re
import tempfile
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from quba_check.errors import StoreError
from quba_check.storage.atomic import replacing
from quba_check.storage.inventory import is_prediction
from quba_check.storage.store_files import StoredFile, StoreFiles
from quba_check.storage.user_files import reason, regular_file
from quba_check.storage.verification import prediction_damages

FORMAT = 1
CONTENTS = "quba-store.json"
LARGEST_CONTENTS = 2**28
_RECORD = re.compile(r"runs/[A-Za-z0-9][A-Za-z0-9_.+-]{0,200}\.(json|npz)")
_DIGEST_SIZE = 16


@dataclass(frozen=True, slots=True)
class Archive:
    """The contents of an exported file.

    Attributes:
        model: name of the model.
        digests: size in bytes and BLAKE2b-128 (hex) of each member by its name in a store.
    """

    model: str
    digests: Mapping[str, tuple[int, str]]

    @property
    def size(self) -> int:
        """Size of all members in bytes."""
        return sum(size for size, _ in self.digests.values())


@dataclass(frozen=True, slots=True)
class Imported:
    """The result of an import.

    Attributes:
        archive: contents of the file.
        added: names of files that were added to the store.
        present: number of files that the store had already.
    """

    archive: Archive
    added: tuple[str, ...]
    present: int


def export_model(store: StoreFiles, model: str, files: Sequence[StoredFile], output: Path) -> Archive:
    """Write predictions and records of a model to one file, after checking every checksum.

    Args:
        store: the store.
        model: name of the model.
        files: the predictions and records; see `quba_check.storage.inventory`.
        output: the file to write.

    Raises:
        StoreError: a file of the store is damaged, or the output cannot be written.
    """
    digests: dict[str, tuple[int, str]] = {}
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        with (
            replacing(output) as temporary,
            # Some file systems have times that zip archives cannot state.
            zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED, strict_timestamps=False) as packed,
        ):
            for name in sorted(file.name for file in files):
                with store.folder_with(name) as folder:
                    digests[name] = _checked_digest(folder / name, name, f"{store.shown}/{name}")
                    packed.write(folder / name, name)
            archive = Archive(model, digests)
            packed.writestr(CONTENTS, _encode(archive))
    except OSError as error:
        raise StoreError(
            f"{output}: cannot be written ({reason(error)}). "
            "Allowed: a file in a folder that you may write to."
        ) from None
    return archive


def import_file(store: StoreFiles, path: Path) -> Imported:
    """Add the predictions and records of an exported file to a store.

    The whole file is checked before the first is added. Files that the store has already stay as they are.

    Args:
        store: the store.
        path: the exported file.

    Raises:
        StoreError: the file is damaged, of another format, or has members that no store has; or the store
            cannot be written.
    """
    with _opened(path) as packed, tempfile.TemporaryDirectory(prefix="quba-check-") as folder:
        archive = _contents(packed, path)
        present = {file.name for file in store.files()}
        added = [name for name in archive.digests if name not in present]
        for name in added:
            _check_member(packed, name, archive.digests[name], Path(folder))
        for name in added:
            store.publish(name, packed.read(name))
    return Imported(archive, tuple(added), len(archive.digests) - len(added))


def _encode(archive: Archive) -> str:
    """Return the member of an archive that states its contents."""
    files = {name: {"size": size, "blake2b": digest} for name, (size, digest) in archive.digests.items()}
    return json.dumps({"format": FORMAT, "model": archive.model, "files": files}, indent=1)


def _checked_digest(path: Path, name: str, place: str) -> tuple[int, str]:
    """Return size and BLAKE2b-128 of a file of a store.

    Args:
        path: the file on this machine.
        name: its name, relative to the store.
        place: its name in messages.

    Raises:
        StoreError: it is damaged, or cannot be read.
    """
    if is_prediction(name) and (damages := prediction_damages(path, name, place)):
        raise StoreError(
            f"{damages[0].problem}. Nothing was exported. Remove damaged predictions: "
            "quba-check store verify --remove."
        )
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=_DIGEST_SIZE))
            return file.tell(), digest.hexdigest()
    except OSError as error:
        raise StoreError(f"--quba-store: {place} cannot be read ({reason(error)}).") from None


@contextmanager
def _opened(path: Path) -> Iterator[zipfile.ZipFile]:
    """Open an exported file; errors of damaged archives become `StoreError`.

    Raises:
        StoreError: it cannot be read, or is no zip archive.
    """
    with regular_file(path, str(path), StoreError) as file:
        try:
            with zipfile.ZipFile(file) as packed:
                yield packed
        except StoreError:
            raise
        except Exception as error:  # noqa: BLE001  a damaged archive raises errors of many types
            raise _refused(path, f"it is damaged ({reason(error)})") from None


def _contents(packed: zipfile.ZipFile, path: Path) -> Archive:
    """Return the contents of an exported file, after checking names and sizes of its members.

    Raises:
        StoreError: it has another format, or members that it must not have.
    """
    members = {member.filename: member for member in packed.infolist()}
    if CONTENTS not in members or members[CONTENTS].file_size > LARGEST_CONTENTS:
        raise _refused(path, f"it has no member {CONTENTS}")
    try:
        contents = json.loads(packed.read(CONTENTS))
        version = contents["format"]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise _refused(path, f"its member {CONTENTS} is damaged") from None
    if version != FORMAT:
        raise StoreError(
            f"{path}: got format {version!r}, which this version does not read. Allowed: {FORMAT}. "
            "Export it again with this version of quba-check, or import it with the one that wrote it."
        )
    try:
        archive = _decode(contents)
    except (ValueError, KeyError, TypeError, AttributeError):
        raise _refused(path, f"its member {CONTENTS} is damaged") from None
    others = [member for member in packed.infolist() if member.filename != CONTENTS]
    for member in others:
        if not (is_prediction(member.filename) or _RECORD.fullmatch(member.filename)):
            raise _refused(path, f"its member '{member.filename}' has no place in a store")
        if member.compress_type != zipfile.ZIP_STORED or member.compress_size != member.file_size:
            raise _refused(path, f"its member '{member.filename}' is compressed")
    if sorted(member.filename for member in others) != sorted(archive.digests):
        raise _refused(path, f"its members are not those of {CONTENTS}")
    if sum(member.file_size for member in others) > path.stat().st_size:
        raise _refused(path, "its members are larger than the file")
    return archive


def _decode(contents: Any) -> Archive:
    """Return the contents that an archive states.

    Raises:
        ValueError, KeyError, TypeError, AttributeError: it is damaged.
    """
    files = {name: (int(file["size"]), str(file["blake2b"])) for name, file in contents["files"].items()}
    return Archive(str(contents["model"]), files)


def _check_member(packed: zipfile.ZipFile, name: str, stated: tuple[int, str], folder: Path) -> None:
    """Check size, digest and checksums of a member.

    Raises:
        ValueError: one of them does not fit.
        StoreError: there is no room for a temporary copy.
    """
    content = packed.read(name)
    if (len(content), hashlib.blake2b(content, digest_size=_DIGEST_SIZE).hexdigest()) != stated:
        raise ValueError(f"the digest of '{name}' does not fit")
    if is_prediction(name):
        copy = folder / Path(name).name
        try:
            copy.write_bytes(content)
        except OSError as error:
            raise StoreError(
                f"{folder}: cannot be written ({reason(error)}). Allowed: a folder for temporary files, "
                "$TMPDIR, with room for the largest file of the store."
            ) from None
        damages = prediction_damages(copy, name, name)
        copy.unlink()
        if damages:
            raise ValueError(f"a checksum in '{name}' does not fit")


def _refused(path: Path, problem: str) -> StoreError:
    return StoreError(
        f"{path}: {problem}. Nothing was imported. Allowed: a file written by quba-check store export."
    )
