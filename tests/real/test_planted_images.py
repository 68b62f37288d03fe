"""Defective files among real photos: each is reported, healthy ones are not."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from PIL import Image

from quba_check.demo import CLASSES
from quba_check.doctor import image_files
from quba_check.doctor.subject import ModelUnderTest
from quba_check.models.loading import load_classifier
from quba_check.models.request import LoadRequest
from quba_check.suites.opening import open_suite

Change = Callable[[Path], None]


def truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:5000])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def text(path: Path) -> None:
    path.write_text("<html>404</html>", encoding="utf-8")


def stored(path: Path, image: Image.Image, form: str = "PNG", **options: object) -> None:
    """Save under the old name in another format: the content counts."""
    image.save(path, format=form, **options)


def opened(path: Path) -> Image.Image:
    with Image.open(path) as image:
        return image.convert("RGB")


def half_transparent(path: Path) -> None:
    image = opened(path).convert("RGBA")
    alpha = np.full((image.height, image.width), 255, np.uint8)
    alpha[: image.height // 2] = 0
    image.putalpha(Image.fromarray(alpha))
    stored(path, image)


def opaque(path: Path) -> None:
    stored(path, opened(path).convert("RGBA"))


def transparent_colour(path: Path) -> None:
    image = Image.new("P", (64, 64))
    image.putpalette([0, 0, 0, 255, 255, 255])
    image.paste(1, (0, 0, 64, 32))
    stored(path, image, transparency=0)


def sixteen_bits(path: Path) -> None:
    grey = np.asarray(opened(path).convert("L"), dtype=np.uint16)
    stored(path, Image.fromarray(grey * 257))


def fractions(path: Path) -> None:
    grey = np.asarray(opened(path).convert("L"), dtype=np.float32)
    stored(path, Image.fromarray(grey / 510), "TIFF")


def grey(path: Path) -> None:
    stored(path, opened(path).convert("L"), "JPEG")


def palette(path: Path) -> None:
    stored(path, opened(path).quantize(16))


def inked(path: Path) -> None:
    stored(path, opened(path).convert("CMYK"), "JPEG")


def turned(path: Path) -> None:
    image = opened(path)
    exif = image.getexif()
    exif[0x0112] = 6
    stored(path, image.rotate(90, expand=True), "JPEG", exif=exif)


class Row(NamedTuple):
    """A change to the first `count` photos, and the finding."""

    name: str
    change: Change
    count: int
    text: str = ""


REPLACE = "replace or remove the files"
FIRST, SECOND = "photos/imagenet_00_243.jpg", "photos/imagenet_01_559.jpg"
PLANTED = (
    Row(
        "a truncated file",
        truncated,
        1,
        "clean: 1 of 20 checked images cannot be decoded.\n"
        f"  evidence: {FIRST} (image file is truncated (2 bytes not processed))\n"
        f"  fix: {REPLACE}",
    ),
    Row(
        "an empty file",
        empty,
        1,
        "clean: 1 of 20 checked images cannot be decoded.\n"
        f"  evidence: {FIRST} (the file is empty)\n"
        f"  fix: {REPLACE}",
    ),
    Row(
        "a web page",
        text,
        1,
        "clean: 1 of 20 checked images cannot be decoded.\n"
        f"  evidence: {FIRST} (no image format recognises it)\n"
        f"  fix: {REPLACE}",
    ),
    Row(
        "an alpha channel",
        half_transparent,
        2,
        "clean: 2 of 20 checked images lose their transparency in RGB.\n"
        f"  evidence: {FIRST} (RGBA, 50% of it), {SECOND} (RGBA, 50% of it)\n"
        "  fix: store them as RGB on the background that the model was trained with",
    ),
    Row(
        "a transparent colour",
        transparent_colour,
        1,
        "clean: 1 of 20 checked images lose their transparency in RGB.\n"
        f"  evidence: {FIRST} (P, 50% of it)\n"
        "  fix: store them as RGB on the background that the model was trained with",
    ),
    Row(
        "sixteen bits",
        sixteen_bits,
        2,
        "clean: 2 of 20 checked images lose values in 8 bits.\n"
        f"  evidence: {FIRST} (I;16, 0 to 65535), {SECOND} (I;16, 0 to 65535)\n"
        "  fix: store them with 8 bits per channel, scaled as in training",
    ),
    Row(
        "values below one",
        fractions,
        1,
        "clean: 1 of 20 checked images lose values in 8 bits.\n"
        f"  evidence: {FIRST} (F, 0 to 0.5)\n"
        "  fix: store them with 8 bits per channel, scaled as in training",
    ),
    Row(
        "CMYK",
        inked,
        5,
        "clean: 5 of 20 checked images lose their CMYK colours in RGB.\n"
        f"  evidence: {FIRST} (CMYK), {SECOND} (CMYK), photos/imagenet_02_438.jpg (CMYK) and 2 more\n"
        "  fix: store them as RGB",
    ),
    Row(
        "photos of a camera held upright",
        turned,
        6,
        "clean: 6 of 20 checked images have an EXIF orientation, which is not applied.\n"
        f"  evidence: {FIRST} (orientation 6), {SECOND} (orientation 6), photos/imagenet_02_438.jpg "
        "(orientation 6) and 3 more\n"
        "  fix: rotate the pixels and drop the tag, if training did so: PIL.ImageOps.exif_transpose",
    ),
)
HEALTHY = (
    Row("as they are", opaque, 0),
    Row("opaque alpha channels", opaque, 20),
    Row("grey photos", grey, 20),
    Row("palettes", palette, 20),
    Row("one that is turned", turned, 1),
)


@pytest.mark.parametrize("row", [*PLANTED, *HEALTHY], ids=lambda row: row.name)
def test_a_loss_is_reported_and_nothing_else(row: Row, photo_suite: Path, tmp_path: Path) -> None:
    root = Path(shutil.copytree(photo_suite, tmp_path / "data"))
    for path in sorted((root / "photos").iterdir())[: row.count]:
        row.change(path)
    subject = subject_on(root)
    assert [finding.text() for finding in image_files.check(subject)] == ([row.text] if row.text else [])
    assert subject.decoded == 20


def test_a_broken_image_is_excluded_from_later_checks(photo_suite: Path, tmp_path: Path) -> None:
    root = Path(shutil.copytree(photo_suite, tmp_path / "data"))
    truncated(root / FIRST)
    subject = subject_on(root)
    assert len(subject.sample()) == 20
    assert len(list(image_files.check(subject))) == 1
    assert FIRST not in [example.name for example in subject.sample()]
    assert len(subject.sample()) == 19


def subject_on(root: Path) -> ModelUnderTest:
    suite = open_suite(root)
    return ModelUnderTest(load_classifier("demo", LoadRequest(classes=CLASSES, device="cpu")), suite)
