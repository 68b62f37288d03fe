"""The reader `webdataset`: images and their labels in tar files."""

from __future__ import annotations

import io
import json
import tarfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from PIL import Image

from quba_check.errors import SuiteError
from quba_check.storage.user_files import is_utf8
from quba_check.strict_yaml import describe
from quba_check.suites.class_list import ClassList
from quba_check.suites.readers.file_cache import Kept
from quba_check.suites.readers.files import IMAGE_SUFFIXES
from quba_check.suites.readers.listed import Listed
from quba_check.suites.readers.paths import files_at

_CLASS, _JSON = ".cls", ".json"
_INDICES_KEPT = 256
LARGEST_LABEL = 2**20


@dataclass(frozen=True, slots=True)
class _Span:
    """Where the content of a member lies in the tar file."""

    offset: int
    size: int

    def of(self, file: BinaryIO) -> bytes:
        file.seek(self.offset)
        return file.read(self.size)


def webdataset_images(path: Path, classes: ClassList) -> list[Listed]:
    """Images of WebDataset shards.

    Files with one name up to the first dot are a sample, as `0001.jpg` and `0001.cls`. The label is the
    content of the `.cls` file (a class name, or a class number where no class has that name), else `label` in
    the `.json` file (a name, or a number). Other files are passed over. Shards are in the order of the path,
    samples in that of the shard; tar files may not be compressed, so that images can be read in any order.

    Args:
        path: a shard, a folder of them, or several, as in `val-{000..049}.tar` or `val-*.tar`.
        classes: the class list.

    Raises:
        SuiteError: a shard is no tar file, a sample lacks its image or label or has two, a label is no class,
            or there are no samples.
    """
    images = [image for shard in files_at(path, ".tar") for image in _of_shard(shard, classes)]
    if not images:
        raise SuiteError(f"{path}: no samples. Expected: images beside labels, as 0001.jpg beside 0001.cls.")
    return images


def webdataset_member(path: Path, member: str) -> Image.Image:
    """Open the image of that name in a shard."""
    span = _index(path).get(member)
    if span is None:
        raise SuiteError(f"{path}: there is no {member} in it.")
    with path.open("rb") as file:
        return Image.open(io.BytesIO(span.of(file)))


def _indexed(path: Path) -> dict[str, _Span]:
    """The files of a tar file; reads headers alone."""
    try:
        with tarfile.open(path, "r:") as tar:
            spans = {entry.name: _Span(entry.offset_data, entry.size) for entry in tar if entry.isreg()}
    except Exception:  # noqa: BLE001  whatever tarfile raises for a damaged header
        raise SuiteError(
            f"{path}: cannot be read as an uncompressed tar file. It is of another kind, or it is cut."
        ) from None
    return _checked(path, spans)


def _checked(path: Path, spans: dict[str, _Span]) -> dict[str, _Span]:
    size = path.stat().st_size
    for name, span in spans.items():
        if not is_utf8(name):
            raise SuiteError(f"{path}[{name}]: the name is not UTF-8 text. Rename it.")
        if span.offset + span.size > size:
            raise SuiteError(f"{path}[{name}]: states more bytes than the tar file holds.")
    return spans


_index = Kept(_indexed, _INDICES_KEPT)


def _of_shard(shard: Path, classes: ClassList) -> list[Listed]:
    index = _index(shard)
    samples: dict[str, dict[str, str]] = {}
    for name in index:
        member = PurePosixPath(name)
        stem, dot, kind = member.name.partition(".")
        suffix = dot + kind.lower()
        if stem and suffix in (*IMAGE_SUFFIXES, _CLASS, _JSON):
            kept = _CLASS if suffix == _CLASS else _JSON if suffix == _JSON else "image"
            parts = samples.setdefault(str(member.parent / stem), {})
            if kept in parts:
                raise SuiteError(f"{shard}[{name}]: the sample has {parts[kept]} already.")
            parts[kept] = name
    with shard.open("rb") as file:
        return [
            Listed(shard.as_posix(), _label(shard, file, index, parts, classes), member=parts["image"])
            for parts in samples.values()
            if _is_sample(shard, parts)
        ]


def _is_sample(shard: Path, parts: dict[str, str]) -> bool:
    if "image" in parts:
        return True
    if _CLASS in parts:
        raise SuiteError(f"{shard}[{parts[_CLASS]}]: a label without an image.")
    return False


def _label(
    shard: Path, file: BinaryIO, index: dict[str, _Span], parts: dict[str, str], classes: ClassList
) -> int:
    name = parts.get(_CLASS) or parts.get(_JSON)
    if name is None:
        raise SuiteError(
            f"{shard}[{parts['image']}]: an image without a label. Expected: a .cls or .json beside it."
        )
    where = f"{shard}[{name}]"
    if index[name].size > LARGEST_LABEL:
        raise SuiteError(f"{where}: tells no label: it has {index[name].size:,} bytes.")
    content = index[name].of(file)
    try:
        label = content.decode() if _CLASS in parts else json.loads(content)["label"]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise SuiteError(
            f'{where}: tells no label. Expected: text in a .cls, or {{"label": …}} in a .json.'
        ) from None
    if isinstance(label, bool) or not isinstance(label, str | int):
        raise SuiteError(f"{where}: label: got {describe(label)}. Allowed: a class name or number.")
    return classes.position(label, where)
