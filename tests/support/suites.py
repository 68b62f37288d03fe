"""Shared by tests of suites: files, manifests, readers, and messages of errors."""

import io
import tarfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from support import errors

from quba_check.errors import UserError
from quba_check.suites import Suite, open_suite
from quba_check.suites.label_spaces import ClassList
from quba_check.suites.manifest.reading import Manifest, read_manifest
from quba_check.suites.readers import LabelledImage
from quba_check.suites.sampling import WHOLE, SubsetSampler

FRUIT = ("apple", "pear", "kiwi")
"""Classes of most tests."""
Images = Callable[..., list[LabelledImage]]


def write_manifest(root: Path, text: str, classes: str = f"[{', '.join(FRUIT)}]") -> Path:
    """Write `quba-data.yaml`: three lines with name and classes, then the text."""
    path = root / "quba-data.yaml"
    path.write_text(f"schema: 1\nname: fruit\nclasses: {classes}\n{text}\n", encoding="utf-8")
    return path


def manifest(root: Path, text: str, *classes: str) -> Manifest:
    """Return the manifest that `write_manifest` writes."""
    return read_manifest(write_manifest(root, text, *classes), "quba-data.yaml")


def suite_of(root: Path, text: str, *classes: str, sampler: SubsetSampler = WHOLE) -> Suite:
    """Return the suite in a folder, with the manifest that `write_manifest` writes."""
    write_manifest(root, text, *classes)
    return open_suite(root, sampler)


def error_text(call: Callable[..., object], *arguments: object, **keys: object) -> str:
    """Return the message of the error that a call raises."""
    return errors.error_text(UserError, call, *arguments, **keys)


def error_texts(call: Callable[[str], object], mistakes: Iterable[str]) -> str:
    """Return each mistake with its message below, for snapshots."""
    return "\n\n".join(f"{mistake.rstrip()}\n--> {error_text(call, mistake)}" for mistake in mistakes)


def listing(
    reader: Images, path: Path, classes: Sequence[str] = FRUIT, **keys: object
) -> list[LabelledImage]:
    """Return the listing of a reader."""
    return reader(path, ClassList.plain(classes), **keys)


def message(reader: Images, path: Path, classes: Sequence[str] = FRUIT, **keys: object) -> str:
    """Return the message of a reader's error, with SET for the path."""
    return error_text(listing, reader, path, classes, **keys).replace(f"{path}", "SET")


def short(root: Path, images: list[LabelledImage]) -> list[tuple[str, int, int]]:
    """Path from the test's folder, label and texture."""
    return [(image.path.removeprefix(f"{root}/"), image.label, image.texture) for image in images]


def tree(root: Path, *names: str, content: bytes = b"") -> Path:
    """Write files, empty ones by default; most readers use names alone."""
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    return root


def png(pixels: NDArray[np.uint8] | int = 0) -> bytes:
    """Return a PNG file of pixels, or of 4 x 3 pixels in one shade of red."""
    image = Image.new("RGB", (4, 3), (pixels, 0, 0)) if isinstance(pixels, int) else Image.fromarray(pixels)
    content = io.BytesIO()
    image.save(content, "PNG")
    return content.getvalue()


def write_tar(path: Path, files: Mapping[str, bytes], mode: str = "w") -> Path:
    """Write a tar file."""
    with tarfile.open(path, mode) as tar:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return path
