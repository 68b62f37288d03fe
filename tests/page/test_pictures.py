"""Small pictures of images in the page."""

import base64
import io
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support.generated_images import Images
from support.rows import verdict
from support.runs_compared import CLASSES, stored

from quba_check.comparison.misclassified import Failure
from quba_check.comparison.stored_run import StoredRun
from quba_check.page.pictures import make_pictures, make_thumbnail, read_thumbnail
from quba_check.records.verdict import VerdictRow

IMAGE = Failure(None, "a.png", "ape", None)


class Files:
    """A source of one file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def labelled_names(self, set_name: str) -> Sequence[tuple[str, str, str]]:
        return []

    def open_image(self, set_name: str, name: str) -> Image.Image:
        return Image.open(self.path)


def failed(demand: str, dimension: str = "accuracy", **changed: object) -> VerdictRow:
    return VerdictRow.model_validate(verdict(dimension) | {"id": f"t.yaml::{demand}"} | changed)


def wrong_run(n: int, *verdicts: VerdictRow) -> StoredRun:
    """A run with n wrong images of distinct losses."""
    run = stored("a.json", [(k + 1) % len(CLASSES) for k in range(n)])
    assert run.images is not None
    assert run.images.clean is not None
    clean = replace(run.images.clean, confidence=np.full(n, 0.75), loss=np.arange(n, 0, -1.0))
    record = run.record.model_copy(update={"verdicts": verdicts or (failed("accuracy[min]"),)})
    return replace(run, record=record, images=replace(run.images, clean=clean))


def test_pictures_are_within_the_page() -> None:
    ((key, shown),) = make_pictures([wrong_run(3)], [Images(200)], 2).items()
    assert key == (0, "t.yaml::accuracy[min]")
    assert [image.path for image, _ in shown.pictures] == ["ape/0.png", "bee/1.png"]
    for _, picture in shown.pictures:
        head, _, content = picture.source.partition(",")
        assert head == "data:image/webp;base64"
        image = Image.open(io.BytesIO(base64.b64decode(content, validate=True)))
        assert (image.format, image.size) == ("WEBP", (picture.width, picture.height))
        assert (*image.size, picture.note) == (96, 96, "")
    assert len({picture.source for _, picture in shown.pictures}) == 2


def test_equal_bytes_for_equal_records() -> None:
    assert make_pictures([wrong_run(9)], [Images()], 9) == make_pictures([wrong_run(9)], [Images()], 9)


def test_a_demand_with_the_same_images_refers_to_the_first() -> None:
    rows = failed("accuracy[min]"), failed("calibration_error[max]", "calibration_error", key="max")
    first, second = make_pictures([wrong_run(3, *rows)], [Images()], 2).values()
    assert (len(first.pictures), first.same_as) == (2, "")
    assert (second.pictures, second.same_as, second.note) == ((), "accuracy[min]", first.note)


@pytest.mark.parametrize("outcome", ["pass", "skipped", "not run"])
def test_only_failed_demands_have_pictures(outcome: str) -> None:
    run = wrong_run(3, failed("accuracy[min]", outcome=outcome), failed("accuracy[max]", outcome="uncertain"))
    pictures = make_pictures([run, run], [Images(), Images()], 2)
    assert list(pictures) == [(0, "t.yaml::accuracy[max]"), (1, "t.yaml::accuracy[max]")]


def test_the_shape_is_kept() -> None:
    thumbnail = make_thumbnail(Image.new("RGB", (400, 100)), 4_000)
    assert (thumbnail.width, thumbnail.height) == (96, 24)
    small = make_thumbnail(Image.new("RGB", (3, 2)), 4_000)
    assert (small.width, small.height) == (3, 2)
    thin = make_thumbnail(Image.new("RGB", (5_000, 1)), 4_000)
    assert (thin.width, thin.height) == (96, 1)


@pytest.mark.parametrize("limit", [1_600, 4_000])
def test_quality_is_lowered_until_the_limit_holds(limit: int) -> None:
    content = make_thumbnail(Images().open_image("clean", "x"), limit).content
    assert limit / 3 < len(content) <= limit


@pytest.mark.parametrize(
    ("mode", "colour", "shown", "note"),
    [
        ("RGB", (200, 100, 50), (200, 100, 50), ""),
        ("L", 120, (120, 120, 120), ""),
        ("1", 1, (255, 255, 255), ""),
        ("CMYK", (0, 255, 255, 0), (255, 0, 0), ""),
        ("RGBA", (200, 100, 50, 0), (200, 100, 50), "its transparency is ignored, as in the gate"),
        ("LA", (120, 10), (120, 120, 120), "its transparency is ignored, as in the gate"),
        ("I;16", 100, (100, 100, 100), "values above 255 are cut off, as in the gate"),
        ("I;16", 40_000, (255, 255, 255), "values above 255 are cut off, as in the gate"),
    ],
)
def test_modes_are_shown_as_the_gate_reads_them(
    tmp_path: Path, mode: str, colour: object, shown: tuple[int, int, int], note: str
) -> None:
    path = tmp_path / ("x.tif" if mode == "CMYK" else "x.png")
    Image.new(mode, (32, 32), colour).save(path)  # type: ignore[arg-type]
    thumbnail = read_thumbnail(Files(path), IMAGE, 4_000)
    pixel = Image.open(io.BytesIO(thumbnail.content)).convert("RGB").getpixel((16, 16))
    assert np.abs(np.subtract(pixel, shown)).max() <= 4  # type: ignore[arg-type]
    assert thumbnail.note == note
    with Image.open(path) as image:  # the gate's conversion, see Suite.image
        assert np.abs(np.subtract(image.convert("RGB").getpixel((16, 16)), shown)).max() <= 1  # type: ignore[arg-type]


def test_the_rotation_of_exif_data_is_ignored_as_in_the_gate(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (400, 100)).save(tmp_path / "x.jpg", exif=exif)
    thumbnail = read_thumbnail(Files(tmp_path / "x.jpg"), IMAGE, 4_000)
    assert (thumbnail.width, thumbnail.height) == (96, 24)
    assert thumbnail.note == "the rotation in its EXIF data is ignored, as in the gate"


@pytest.mark.parametrize(
    ("content", "note"),
    [
        (None, "cannot be decoded as an image (No such file or directory)"),
        (b"no image", "cannot be decoded as an image (no image format recognises it)"),
        (b"", "cannot be decoded as an image (no image format recognises it)"),
    ],
)
def test_a_missing_or_damaged_image_has_a_note(tmp_path: Path, content: bytes | None, note: str) -> None:
    if content is not None:
        (tmp_path / "x.png").write_bytes(content)
    thumbnail = read_thumbnail(Files(tmp_path / "x.png"), IMAGE, 4_000)
    assert (thumbnail.content, thumbnail.note) == (b"", note)


@pytest.mark.filterwarnings("error")
def test_a_cut_file_and_a_very_large_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = io.BytesIO()
    Images(300, noise=True).open_image("clean", "x").save(file, "PNG")
    (tmp_path / "x.png").write_bytes(file.getvalue()[:10_000])
    assert read_thumbnail(Files(tmp_path / "x.png"), IMAGE, 4_000).note.startswith("cannot be decoded")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10_000)  # a warning above it, an error above twice as many
    Image.new("1", (120, 100)).save(tmp_path / "x.png")
    thumbnail = read_thumbnail(Files(tmp_path / "x.png"), IMAGE, 4_000)
    assert (thumbnail.width, thumbnail.height) == (96, 80)
    Image.new("1", (200, 200)).save(tmp_path / "x.png")
    assert read_thumbnail(Files(tmp_path / "x.png"), IMAGE, 4_000).note.startswith("cannot be decoded")


def test_images_that_cannot_be_found() -> None:
    (shown,) = make_pictures([wrong_run(2)], ["/data: there is no such data folder."], 5).values()
    assert (shown.pictures, shown.note) == ((), "No pictures: /data: there is no such data folder.")
