"""Cache of earlier findings, valid while the files behind them are unchanged."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from quba_check.doctor.finding import Finding
from quba_check.errors import StoreError, SuiteError
from quba_check.storage.atomic import write_atomically
from quba_check.storage.file_digests import ContentDigests
from quba_check.storage.user_files import MIB, read_bytes

LARGEST = 64 * MIB


class CachedFindings(BaseModel):
    """The findings of an earlier examination.

    Attributes:
        findings: the findings.
        decoded: number of image files decoded for them.
        forwards: number of images in forward passes.
        file_digests: content digests of the files, by path.
    """

    model_config = ConfigDict(frozen=True)

    findings: tuple[Finding, ...]
    decoded: int
    forwards: int
    file_digests: dict[str, str]


class FindingsCache:
    """Earlier findings in a folder, by key.

    The key covers all that determines findings except file contents. Loading compares those: an entry with a
    changed or missing file is ignored.

    Args:
        store: the prediction store's folder; findings are in its `doctor/`.
        digests: content digests of files.
    """

    def __init__(self, store: Path, digests: ContentDigests) -> None:
        self._folder = store / "doctor"
        self._digests = digests

    def load(self, key: str) -> CachedFindings | None:
        """Return the findings of a key; None if missing, damaged, or with changed files."""
        try:
            path = self._folder / f"{key}.json"
            entry = CachedFindings.model_validate_json(read_bytes(path, str(path), StoreError, LARGEST))
            current = self._file_digests(entry.file_digests)
        except (ValidationError, StoreError, SuiteError):
            return None
        return entry if current == entry.file_digests else None

    def save(
        self, key: str, findings: tuple[Finding, ...], files: Iterable[str], *, decoded: int, forwards: int
    ) -> CachedFindings:
        """Save findings under a key; without effect if the folder cannot be written."""
        entry = CachedFindings(findings=findings, decoded=decoded, forwards=forwards, file_digests={})
        with contextlib.suppress(OSError, SuiteError):
            entry = entry.model_copy(update={"file_digests": self._file_digests(files)})
            self._folder.mkdir(parents=True, exist_ok=True)
            write_atomically(self._folder / f"{key}.json", entry.model_dump_json().encode())
        return entry

    def _file_digests(self, paths: Iterable[str]) -> dict[str, str]:
        paths = list(paths)
        return dict(zip(paths, self._digests.digests(map(Path, paths)), strict=True))


@cache
def doctors_version() -> str:
    """Digest of the doctor's code: another version can have other findings."""
    digest = hashlib.blake2b(digest_size=8)
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.read_bytes().replace(b"\r\n", b"\n"))
    return digest.hexdigest()
