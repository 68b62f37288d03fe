"""Small pictures of the images that explain failed demands."""

from __future__ import annotations

import base64
import io
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from PIL import Image, UnidentifiedImageError

from quba_check.comparison.misclassified import Failure
from quba_check.comparison.stored_run import StoredRun
from quba_check.errors import QubaError
from quba_check.page.chosen_images import Choice, choose_images, choose_lost
from quba_check.reports.notes import PARITY
from quba_check.storage.user_files import reason

SIDE = 96
"""Largest side of a picture in pixels."""
TOTAL = 320_000
SMALLEST_LIMIT = 1_600
LARGEST_LIMIT = 4_000
"""Bytes of all pictures, and bounds on the limit of one: 200 pictures take about 430 kB in base64."""
SHEET_SIDE = 192
SHEET_LIMIT = 12_000
"""Largest side in pixels and size in bytes of a picture on a contact sheet."""
QUALITIES = (80, 65, 50, 35, 25, 15, 5)
_ORIENTATION = 0x0112
_WIDE_MODES = ("I", "I;16", "I;16B", "I;16L", "I;16N", "F")


class ImageSource(Protocol):
    """Access to the images of a run."""

    def labelled_names(self, set_name: str) -> Sequence[tuple[str, str, str]]:
        """Return name, class and texture class of each image of a set. Raises QubaError."""

    def open_image(self, set_name: str, name: str) -> Image.Image:
        """Open an image. Raises any error if it is missing or damaged."""


@dataclass(frozen=True, slots=True)
class Thumbnail:
    """A small picture of an image, as WebP.

    Attributes:
        content: the bytes; empty if the image cannot be shown.
        width: in pixels.
        height: in pixels.
        note: difference between picture and image file, or the reason for a missing picture.
    """

    content: bytes = b""
    width: int = SIDE
    height: int = SIDE
    note: str = ""

    @property
    def source(self) -> str:
        """A data URL."""
        return f"data:image/webp;base64,{base64.b64encode(self.content).decode()}"


@dataclass(frozen=True, slots=True)
class DemandPictures:
    """Pictures of a failed demand.

    Attributes:
        pictures: images that lower its value most, then images lost against the baseline.
        note: how they were chosen, or why there are none.
        same_as: name of an earlier demand of the run with the same pictures; empty if there is none.
    """

    pictures: tuple[tuple[Failure, Thumbnail], ...] = ()
    note: str = ""
    same_as: str = ""


PicturesByDemand = Mapping[tuple[int, str], DemandPictures]
"""Pictures of failed demands, by the number of the record (from 0) and the id of the verdict.

Those of lost answers have the id `parity`."""


def make_pictures(
    runs: Sequence[StoredRun],
    sources: Sequence[ImageSource | str],
    n: int,
    *,
    baseline: StoredRun | None = None,
) -> PicturesByDemand:
    """Make the pictures of the failed demands of runs.

    Args:
        runs: the runs.
        sources: the images of each run, or the reason why they cannot be found.
        n: largest number of images of each kind for a demand.
        baseline: an earlier run.
    """
    choices: dict[tuple[int, str], tuple[str, Choice]] = {}
    for number, (run, source) in enumerate(zip(runs, sources, strict=True)):
        for row in run.record.verdicts:
            if not row.is_met and row.outcome != "not run":
                if isinstance(source, str):
                    choice = Choice(note=f"No pictures: {source}")
                else:
                    choice = choose_images(run, row, n, source.labelled_names, baseline)
                choices[number, row.id] = row.shown_name, choice
        if not isinstance(source, str) and (lost := choose_lost(run, n)).images:
            choices[number, PARITY] = PARITY, lost
    images = {(number, image) for (number, _), (_, choice) in choices.items() for image in choice.images}
    limit = min(max(TOTAL // max(len(images), 1), SMALLEST_LIMIT), LARGEST_LIMIT)
    thumbnails = {
        (number, image): read_thumbnail(source, image, limit)
        for number, image in images
        if not isinstance(source := sources[number], str)
    }
    first_names: dict[tuple[int, Choice], str] = {}
    pictures = {}
    for key, (name, choice) in choices.items():
        chosen = tuple((image, thumbnails[key[0], image]) for image in choice.images)
        first = first_names.get((key[0], choice), "") if chosen else ""
        pictures[key] = DemandPictures(() if first else chosen, choice.note, same_as=first)
        first_names.setdefault((key[0], choice), name)
    return pictures


def contact_sheet(source: ImageSource, images: Sequence[Failure], note: str) -> DemandPictures:
    """Return larger pictures of wrong or unknown images, with a note."""
    thumbnails = tuple((image, read_thumbnail(source, image, SHEET_LIMIT, SHEET_SIDE)) for image in images)
    missing = sum(not picture.content for _, picture in thumbnails)
    return DemandPictures(thumbnails, f"{note}; {missing:,} cannot be shown" if missing else note)


def read_thumbnail(source: ImageSource, image: Failure, limit: int, side: int = SIDE) -> Thumbnail:
    """Read an image and make a small picture of it.

    The picture shows what the model is given: as in the gate, EXIF orientation and transparency are ignored.

    Args:
        source: opens the image.
        image: the image.
        limit: largest size in bytes, where a lower quality allows it.
        side: largest side in pixels.

    Returns:
        The picture, or a note about a missing or damaged image.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow warns about damaged EXIF data and very large images
            with source.open_image(image.set, image.path) as opened:
                return make_thumbnail(opened, limit, side)
    except QubaError as why:
        return Thumbnail(note=str(why))
    except UnidentifiedImageError:
        return Thumbnail(note="cannot be decoded as an image (no image format recognises it)")
    except Exception as why:  # noqa: BLE001  decoders raise any error for damaged files, also MemoryError
        return Thumbnail(note=f"cannot be decoded as an image ({reason(why) or type(why).__name__})")


def make_thumbnail(image: Image.Image, limit: int, side: int = SIDE) -> Thumbnail:
    """Return a picture of an opened image.

    Args:
        image: the image; it is decoded.
        limit: largest size in bytes, where a lower quality allows it.
        side: largest width and height in pixels.
    """
    differences = {
        "the rotation in its EXIF data is ignored": image.getexif().get(_ORIENTATION, 1) != 1,
        "its transparency is ignored": image.has_transparency_data,
        "values above 255 are cut off": image.mode in _WIDE_MODES,
    }
    notes = [f"{note}, as in the gate" for note, is_shown in differences.items() if is_shown]
    image.draft("RGB", (2 * side, 2 * side))
    small = image.convert("RGB")
    small.thumbnail((side, side), Image.Resampling.LANCZOS, reducing_gap=2.0)
    return Thumbnail(_webp(small, limit), *small.size, "; ".join(notes))


def _webp(image: Image.Image, limit: int) -> bytes:
    for quality in QUALITIES:
        file = io.BytesIO()
        image.save(file, "WEBP", quality=quality, method=4)
        if file.tell() <= limit:
            break
    return file.getvalue()
