"""Defective files among real photos: each is reported, healthy ones are not."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from syrupy.assertion import SnapshotAssertion

from quba_check.demo import CLASSES
from quba_check.doctor.sets import check_images
from quba_check.doctor.subject import ModelUnderTest
from quba_check.models.loading import load_classifier
from quba_check.models.request import LoadRequest
from quba_check.suites.opening import open_suite

Change = Callable[[Path], object]


def truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:5000])


def stored(path: Path, image: Image.Image, form: str = "PNG", **options: object) -> None:
    """Save under the old name in another format: the content counts."""
    image.save(path, format=form, **options)


def opened(path: Path, mode: str = "RGB") -> Image.Image:
    with Image.open(path) as image:
        return image.convert(mode)


def half_transparent(path: Path) -> None:
    image = opened(path, "RGBA")
    alpha = np.full((image.height, image.width), 255, np.uint8)
    alpha[: image.height // 2] = 0
    image.putalpha(Image.fromarray(alpha))
    stored(path, image)


def transparent_colour(path: Path) -> None:
    image = Image.new("P", (64, 64))
    image.putpalette([0, 0, 0, 255, 255, 255])
    image.paste(1, (0, 0, 64, 32))
    stored(path, image, transparency=0)


def grey_numbers(path: Path, scale: float, kind: type, form: str) -> None:
    stored(path, Image.fromarray((np.asarray(opened(path, "L"), float) * scale).astype(kind)), form)


def turned(path: Path) -> None:
    image = opened(path)
    exif = image.getexif()
    exif[0x0112] = 6
    stored(path, image.rotate(90, expand=True), "JPEG", exif=exif)


PLANTED: dict[str, tuple[Change, int]] = {
    "a truncated file": (truncated, 1),
    "an empty file": (lambda path: path.write_bytes(b""), 1),
    "a web page": (lambda path: path.write_text("<html>404</html>"), 1),
    "an alpha channel": (half_transparent, 2),
    "a transparent colour": (transparent_colour, 1),
    "sixteen bits": (lambda path: grey_numbers(path, 257, np.uint16, "PNG"), 2),
    "values below one": (lambda path: grey_numbers(path, 1 / 510, np.float32, "TIFF"), 1),
    "CMYK": (lambda path: stored(path, opened(path, "CMYK"), "JPEG"), 5),
    "photos of a camera held upright": (turned, 6),
}
"""A change, and the number of the first photos that have it."""
HEALTHY: dict[str, tuple[Change, int]] = {
    "as they are": (turned, 0),
    "opaque alpha channels": (lambda path: stored(path, opened(path, "RGBA")), 20),
    "grey photos": (lambda path: stored(path, opened(path, "L"), "JPEG"), 20),
    "palettes": (lambda path: stored(path, opened(path).quantize(16)), 20),
    "one that is turned": (turned, 1),
}


def changed(photo_suite: Path, folder: Path, change: Change, count: int) -> ModelUnderTest:
    """The demo's model on the photos, of which the first are changed."""
    root = Path(shutil.copytree(photo_suite, folder / "data"))
    for path in sorted((root / "photos").iterdir())[:count]:
        change(path)
    classifier = load_classifier("demo", LoadRequest(classes=CLASSES, device="cpu"))
    return ModelUnderTest(classifier, open_suite(root))


@pytest.mark.parametrize("name", PLANTED)
def test_a_loss_is_reported_and_nothing_else(
    name: str, photo_suite: Path, tmp_path: Path, snapshot: SnapshotAssertion
) -> None:
    subject = changed(photo_suite, tmp_path, *PLANTED[name])
    (finding,) = check_images(subject)
    assert finding.text() == snapshot
    assert subject.decoded == 20


@pytest.mark.parametrize("name", HEALTHY)
def test_healthy_photos(name: str, photo_suite: Path, tmp_path: Path) -> None:
    subject = changed(photo_suite, tmp_path, *HEALTHY[name])
    assert list(check_images(subject)) == []
    assert subject.decoded == 20


def test_a_broken_image_is_excluded_from_later_checks(photo_suite: Path, tmp_path: Path) -> None:
    subject = changed(photo_suite, tmp_path, truncated, 1)
    assert len(subject.sample()) == 20
    assert len(list(check_images(subject))) == 1
    assert "photos/imagenet_00_243.jpg" not in [example.name for example in subject.sample()]
    assert len(subject.sample()) == 19
