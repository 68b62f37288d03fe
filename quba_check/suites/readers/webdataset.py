"""The reader `webdataset`: images and their labels in tar files."""

from __future__ import annotations

import io
import json
import posixpath
import tarfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, BinaryIO

from quba_check.errors import SuiteError
from quba_check.messages import listed
from quba_check.storage.user_files import MIB, is_utf8
from quba_check.suites.label_spaces import ClassList
from quba_check.suites.readers.listing import IMAGE_SUFFIXES, FileCache, LabelledImage, cells_by_row, files_at

if TYPE_CHECKING:
    from PIL import Image

_IMAGE = "image"
_CLASS = ".cls"
_JSON = ".json"
_INDICES_CACHED = 256
LARGEST_LABEL = 2**20
_MOST_LINKS = 40
"""Largest number of links between a name and its file, as on Linux; more are taken for a circle."""
_UNREAD = (*IMAGE_SUFFIXES, ".gif", ".avif", ".heic", ".jp2")
"""Suffixes of members that look like images, also of formats that are not read."""


_Span = tuple[int, int]
"""Position and size of a member's content in the tar file, in bytes."""


def webdataset_images(path: Path, classes: ClassList, *, columns: Sequence[str] = ()) -> list[LabelledImage]:
    """List the images of WebDataset shards.

    Files with the same name up to the first dot are a sample, such as `0001.jpg` and `0001.cls`. The label is
    the content of the `.cls` file (a class name, or a class number if no class has that name), else `label`
    in the `.json` file (a name or a number). Links are files if they lead to a file of the same shard. Other
    files are skipped. Shards keep the order of the path, samples the order in the shard. Tar files may not be
    compressed, so that images can be read in any order.

    Args:
        path: a shard, a folder of shards, or a pattern such as `val-{000..049}.tar` or `val-*.tar`.
        classes: the class list.
        columns: further keys of the `.json` files to read.

    Raises:
        SuiteError: a shard is not a tar file, a sample lacks its image or label or has two, one of them is a
            link to no file or no file at all, a label is unknown, or there are no samples.
    """
    images = [
        image for shard in files_at(path, ".tar") for image in _images_of_shard(shard, classes, columns)
    ]
    if not images:
        raise SuiteError(
            "no samples. Expected: images with labels, such as 0001.jpg with 0001.cls.", where=f"{path}"
        )
    return images


def unread_members(path: Path) -> Iterator[str]:
    """Yield the names of images that belong to no sample, such as `1.mask.png`."""
    for shard in files_at(path, ".tar"):
        for name in _index(shard):
            is_image = name.lower().endswith(_UNREAD) and not PurePosixPath(name).name.startswith(".")
            if is_image and _sample(name) is None:
                yield f"{shard.name}[{name}]"


def webdataset_member(path: Path, member: str) -> Image.Image:
    """Open the image of that name in a shard."""
    from PIL import Image

    span = _index(path).get(member)
    if span is None:
        raise SuiteError(f"there is no {member} in it.", where=f"{path}")
    with path.open("rb") as file:
        return Image.open(io.BytesIO(_read(file, span)))


def _read(file: BinaryIO, span: _Span) -> bytes:
    file.seek(span[0])
    return file.read(span[1])


def _read_index(path: Path) -> dict[str, _Span]:
    """Return the files and links in a tar file by name; only headers are read."""
    try:
        with tarfile.open(path, "r:") as tar, path.open("rb") as file:
            entries = list(tar)
            rest = _read(file, (tar.offset, MIB))
        # tarfile stops without an error at a damaged header or a first end, and takes any end of the file.
        is_whole = len(rest) >= tarfile.BLOCKSIZE and not rest.strip(b"\0")
    except Exception:  # noqa: BLE001  tarfile raises any error for a damaged header
        is_whole = False
    if not is_whole:
        problem = (
            "cannot be read as one uncompressed tar file. It is of another kind, cut, damaged or joined."
        )
        raise SuiteError(problem, where=f"{path}")
    contents = _contents(entries)
    spans: dict[str, _Span] = {}
    size = path.stat().st_size
    for name in (entry.name for entry in entries if not entry.isdir()):
        if not is_utf8(name):
            raise SuiteError("the name is not UTF-8 text", where=f"{path}[{name}]", hint="Rename it.")
        if name in spans:
            raise SuiteError("is in the tar file twice.", where=f"{path}[{name}]")
        content = contents.get(posixpath.normpath(name))
        links = 0
        while isinstance(content, str) and (links := links + 1) <= _MOST_LINKS:
            content = contents.get(content)
        if isinstance(content, tuple):
            spans[name] = content
            if sum(content) > size:
                raise SuiteError("states more bytes than the tar file holds.", where=f"{path}[{name}]")
        elif _sample(name) is not None:
            raise SuiteError(
                "is neither a file nor a link to a file in the tar file",
                where=f"{path}[{name}]",
                hint="'tar --dereference' packs the files that links lead to.",
            )
    return spans


def _contents(entries: Iterable[tarfile.TarInfo]) -> dict[str, _Span | str]:
    """Return the place of each file, or the path that a link leads to."""
    contents: dict[str, _Span | str] = {}
    for entry in entries:
        path = posixpath.normpath(entry.name)
        folder = "" if entry.islnk() else posixpath.dirname(path)
        target = posixpath.normpath(posixpath.join(folder, entry.linkname))  # of devices a folder
        if entry.isreg():
            contents[path] = entry.offset_data, entry.size
        elif not entry.isdir():
            contents[path] = target
    return contents


def _sample(name: str) -> tuple[str, str] | None:
    """Return the sample and the role of a member; None for members without a role."""
    member = PurePosixPath(name)
    stem, dot, kind = member.name.partition(".")
    suffix = dot + kind.lower()
    if not stem or suffix not in (*IMAGE_SUFFIXES, _CLASS, _JSON):
        return None
    return str(member.parent / stem), suffix if suffix in (_CLASS, _JSON) else _IMAGE


_index = FileCache(_read_index, _INDICES_CACHED)


def _images_of_shard(shard: Path, classes: ClassList, columns: Sequence[str]) -> list[LabelledImage]:
    index = _index(shard)
    samples: dict[str, dict[str, str]] = {}
    for name in index:
        found = _sample(name)
        if found is not None:
            sample, role = found
            parts = samples.setdefault(sample, {})
            if role in parts:
                raise SuiteError(f"the sample already has {parts[role]}.", where=f"{shard}[{name}]")
            parts[role] = name
    images = []
    with shard.open("rb") as file:

        def content(name: str) -> bytes:
            if index[name][1] > LARGEST_LABEL:
                raise SuiteError(
                    "not a label",
                    where=f"{shard}[{name}]",
                    got=f"{index[name][1]:,} bytes",
                    allowed=f"at most {LARGEST_LABEL:,}",
                )
            return _read(file, index[name])

        for parts in samples.values():
            if _IMAGE in parts:
                label = classes.position(*_label(shard, parts, content))
                cells = _cells(shard, parts, content, columns) if columns else ()
                images.append(LabelledImage(shard.as_posix(), label, member=parts[_IMAGE], cells=cells))
            elif _has_label(shard, parts, content):
                name = parts.get(_CLASS) or parts[_JSON]
                raise SuiteError("a label without an image.", where=f"{shard}[{name}]")
    return images


def _has_label(shard: Path, parts: dict[str, str], content: Callable[[str], bytes]) -> bool:
    """Return True for a `.cls` file, or a `.json` file that states a label."""
    try:
        return _CLASS in parts or bool(_label(shard, parts, content))
    except SuiteError:
        return False


def _label(shard: Path, parts: dict[str, str], content: Callable[[str], bytes]) -> tuple[object, str]:
    """Return the label of a sample, and its place for messages."""
    name = parts.get(_CLASS) or parts.get(_JSON)
    if name is None:
        raise SuiteError(
            "an image without a label. Expected: a .cls or .json next to it.",
            where=f"{shard}[{parts[_IMAGE]}]",
        )
    where = f"{shard}[{name}]"
    try:
        return content(name).decode() if _CLASS in parts else json.loads(content(name))["label"], where
    except (ValueError, KeyError, TypeError, RecursionError):
        raise SuiteError(
            "not a label", where=where, hint='Expected: text in a .cls, or {"label": …} in a .json.'
        ) from None


def _cells(
    shard: Path, parts: dict[str, str], content: Callable[[str], bytes], columns: Sequence[str]
) -> tuple[str, ...]:
    """Return the text of keys in a sample's `.json` file; missing keys are empty."""
    name = parts.get(_JSON)
    if name is None:
        raise SuiteError(
            f"no .json next to it. Expected: keys {listed(columns)}.", where=f"{shard}[{parts[_IMAGE]}]"
        )
    try:
        keys: dict[str, Any] = {**json.loads(content(name))}
    except (ValueError, TypeError, RecursionError):
        raise SuiteError(
            f"not keys with values. Expected: keys {listed(columns)}.", where=f"{shard}[{name}]"
        ) from None
    return cells_by_row([[keys.get(column)] for column in columns], 1)[0]
