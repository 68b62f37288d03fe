"""What was found before: an examination is not made twice for the same model on the same images."""

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
        findings: what was found.
        decoded: image files that were decoded for it.
        forwards: images that the model was shown.
        witnesses: the files that were looked at, with digests of their contents.
    """

    model_config = ConfigDict(frozen=True)

    findings: tuple[Finding, ...]
    decoded: int
    forwards: int
    witnesses: dict[str, str]


class FindingsCache:
    """A folder of earlier findings, by an address of all that determines them but the files looked at.

    Those are compared when findings are recalled: with one of them changed or gone, nothing is remembered.

    Args:
        store: the folder that keeps predictions; findings lie in its `doctor/`.
        digests: content digests of files.
    """

    def __init__(self, store: Path, digests: ContentDigests) -> None:
        self._folder = store / "doctor"
        self._digests = digests

    def recall(self, address: str) -> CachedFindings | None:
        """The findings kept under an address; None where there are none, or files are not what they were."""
        try:
            path = self._folder / f"{address}.json"
            kept = CachedFindings.model_validate_json(read_bytes(path, str(path), StoreError, LARGEST))
            now = self._witnessed(kept.witnesses)
        except (ValidationError, StoreError, SuiteError):
            return None
        return kept if now == kept.witnesses else None

    def keep(
        self,
        address: str,
        findings: tuple[Finding, ...],
        witnesses: Iterable[str],
        *,
        decoded: int,
        forwards: int,
    ) -> CachedFindings:
        """Keep findings under an address; a folder that cannot be written costs the memory, nothing else."""
        made = CachedFindings(findings=findings, decoded=decoded, forwards=forwards, witnesses={})
        with contextlib.suppress(OSError, SuiteError):
            made = made.model_copy(update={"witnesses": self._witnessed(witnesses)})
            self._folder.mkdir(parents=True, exist_ok=True)
            write_atomically(self._folder / f"{address}.json", made.model_dump_json().encode())
        return made

    def _witnessed(self, paths: Iterable[str]) -> dict[str, str]:
        paths = list(paths)
        return dict(zip(paths, self._digests.digests(map(Path, paths)), strict=True))


@cache
def doctors_version() -> str:
    """A digest of the doctor's own code: another doctor may find other things."""
    digest = hashlib.blake2b(digest_size=8)
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.read_bytes().replace(b"\r\n", b"\n"))
    return digest.hexdigest()
