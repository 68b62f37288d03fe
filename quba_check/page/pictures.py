"""Small pictures of the images that explain failed demands."""

from __future__ import annotations

import base64
import hashlib
import io
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol
from urllib.parse import quote

from PIL import Image, UnidentifiedImageError

from quba_check.comparison.stored_run import StoredRun
from quba_check.errors import QubaError, UserError
from quba_check.messages import one_line
from quba_check.page.chosen_images import Choice, ChosenImage, choose_images
from quba_check.records.verdict import VerdictRow
from quba_check.storage.atomic import write_atomically
from quba_check.storage.user_files import reason

SIDE = 96
"""Largest side of a picture in pixels."""
LARGEST_INLINE = 5_000_000
"""Largest size in characters of all pictures within the page; more go into a folder next to it."""
TOTAL, SMALLEST_LIMIT, LARGEST_LIMIT = 320_000, 1_600, 4_000
"""Bytes of all pictures, and bounds on the limit of one: 200 pictures take about 430 kB in base64."""
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
class NoSource:
    """Stands for images that cannot be found.

    Attributes:
        problem: the reason.
    """

    problem: str

    def labelled_names(self, set_name: str) -> Sequence[tuple[str, str, str]]:  # noqa: ARG002
        """Raise `UserError`."""
        raise UserError(self.problem)

    def open_image(self, set_name: str, name: str) -> Image.Image:  # noqa: ARG002
        """Raise `UserError`."""
        raise UserError(self.problem)


@dataclass(frozen=True, slots=True)
class Picture:
    """An image with its picture.

    Attributes:
        image: the image.
        source: a data URL, or the URL of a file relative to the page; empty if there is no picture.
        width: in pixels.
        height: in pixels.
        note: difference between picture and image file, or the reason for a missing picture.
    """

    image: ChosenImage
    source: str = ""
    width: int = SIDE
    height: int = SIDE
    note: str = ""

    @property
    def is_inline(self) -> bool:
        """True if the page holds the picture."""
        return self.source.startswith("data:")

    @property
    def description(self) -> str:
        """A description for readers who do not see it."""
        return f"image of class {self.label}" if self.label else "image without a class"

    @property
    def label(self) -> str:
        """The class of the image, on one line."""
        return one_line(self.image.label)

    @property
    def answer(self) -> str | None:
        """The class that the model chose, on one line; None if unknown."""
        return None if self.image.predicted is None else one_line(self.image.predicted)

    @property
    def confidence(self) -> str:
        """The probability of the answer as text; empty if unknown."""
        return "" if self.image.confidence is None else f"{self.image.confidence:.3f}"

    @property
    def path(self) -> str:
        """The file of the image, on one line."""
        return one_line(self.image.path)


@dataclass(frozen=True, slots=True)
class DemandPictures:
    """Pictures of a failed demand.

    Attributes:
        pictures: images that lower its value most, then images lost against the baseline.
        note: how they were chosen, or why there are none.
        same_as: name of an earlier demand of the run with the same pictures; empty if there is none.
    """

    pictures: tuple[Picture, ...] = ()
    note: str = ""
    same_as: str = ""


Pictures = Mapping[tuple[int, str], DemandPictures]
"""Pictures of failed demands, by the number of the record (from 0) and the id of the verdict."""


@dataclass(frozen=True, slots=True)
class Album:
    """All pictures of a page.

    Attributes:
        demands: the pictures of failed demands.
        files: files next to the page, by path relative to it; empty if the pictures are within the page.
    """

    demands: Pictures = field(default_factory=dict)
    files: Mapping[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Thumbnail:
    """A small picture as WebP.

    Attributes:
        content: the bytes; empty if the image cannot be shown.
        width: in pixels.
        height: in pixels.
        note: see `Picture`.
    """

    content: bytes = b""
    width: int = SIDE
    height: int = SIDE
    note: str = ""


def pictures_folder(page: Path) -> str:
    """Return the name of the folder next to a page.

    >>> pictures_folder(Path("out/report.html"))
    'report-pictures'
    """
    return f"{page.stem}-pictures"


def make_album(
    runs: Sequence[StoredRun],
    sources: Sequence[ImageSource],
    n: int,
    *,
    baseline: StoredRun | None = None,
    folder: str = "report-pictures",
) -> Album:
    """Make the pictures of the failed demands of runs.

    Args:
        runs: the runs.
        sources: the images of each run.
        n: largest number of images of each kind for a demand.
        baseline: an earlier run.
        folder: name of the folder for pictures that are too large for the page.
    """
    choices = [_choices(run, source, n, baseline) for run, source in zip(runs, sources, strict=True)]
    images = {
        (number, image)
        for number, of_run in enumerate(choices)
        for _, choice in of_run
        for image in choice.images
    }
    limit = min(max(TOTAL // max(len(images), 1), SMALLEST_LIMIT), LARGEST_LIMIT)
    thumbnails = {(number, image): read_thumbnail(sources[number], image, limit) for number, image in images}
    is_inline = sum(_length(one.content) for one in thumbnails.values()) <= LARGEST_INLINE
    contents = {one.content for one in thumbnails.values() if one.content}
    names = {content: f"{folder}/{_digest(content)}.webp" for content in contents}
    urls = {content: _data_url(content) if is_inline else quote(names[content]) for content in contents}
    files = {} if is_inline else {name: content for content, name in names.items()}
    demands: dict[tuple[int, str], DemandPictures] = {}
    for number, of_run in enumerate(choices):
        pictures = {
            image: Picture(image, urls.get(one.content, ""), one.width, one.height, one.note)
            for (record_number, image), one in thumbnails.items()
            if record_number == number
        }
        shown = _demand_pictures(of_run, pictures)
        demands |= {(number, name): one for name, one in shown.items()}
    return Album(demands, dict(sorted(files.items())))


def write_album(album: Album, page: Path) -> None:
    """Write the files of an album next to its page.

    Raises:
        UserError: a file cannot be written.
    """
    for name, content in album.files.items():
        path = page.parent / name
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(path, content)
        except OSError as why:
            raise UserError(
                f"{path}: cannot be written ({why.strerror}). "
                "Allowed: a page in a folder that you may write to."
            ) from why


def read_thumbnail(source: ImageSource, image: ChosenImage, limit: int) -> Thumbnail:
    """Read an image and make a small picture of it.

    The picture shows what the model is given: as in the gate, EXIF orientation and transparency are ignored.

    Args:
        source: opens the image.
        image: the image.
        limit: largest size in bytes, where a lower quality allows it.

    Returns:
        The picture, or a note about a missing or damaged image.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow warns about damaged EXIF data and very large images
            with source.open_image(image.set, image.path) as opened:
                return make_thumbnail(opened, limit)
    except QubaError as why:
        return Thumbnail(note=str(why))
    except UnidentifiedImageError:
        return Thumbnail(note="cannot be decoded as an image (no image format recognises it)")
    except Exception as why:  # noqa: BLE001  decoders raise any error for damaged files, also MemoryError
        return Thumbnail(note=f"cannot be decoded as an image ({reason(why) or type(why).__name__})")


def make_thumbnail(image: Image.Image, limit: int) -> Thumbnail:
    """Return a picture of an opened image, at most `SIDE` pixels wide and high.

    Args:
        image: the image; it is decoded.
        limit: largest size in bytes, where a lower quality allows it.
    """
    notes = []
    if image.getexif().get(_ORIENTATION, 1) != 1:
        notes.append("the rotation in its EXIF data is ignored, as in the gate")
    if image.has_transparency_data:
        notes.append("its transparency is ignored, as in the gate")
    if image.mode in _WIDE_MODES:
        notes.append("values above 255 are cut off, as in the gate")
    image.draft("RGB", (2 * SIDE, 2 * SIDE))
    small = image.convert("RGB")
    small.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS, reducing_gap=2.0)
    return Thumbnail(_webp(small, limit), *small.size, "; ".join(notes))


def _webp(image: Image.Image, limit: int) -> bytes:
    content = b""
    for quality in QUALITIES:
        file = io.BytesIO()
        image.save(file, "WEBP", quality=quality, method=4)
        content = file.getvalue()
        if len(content) <= limit:
            break
    return content


def _choices(
    run: StoredRun, source: ImageSource, n: int, baseline: StoredRun | None
) -> list[tuple[VerdictRow, Choice]]:
    return [
        (row, choose_images(run, row, n, source.labelled_names, baseline))
        for row in run.record.verdicts
        if not row.is_met and row.outcome != "not run"
    ]


def _demand_pictures(
    choices: Iterable[tuple[VerdictRow, Choice]], pictures: Mapping[ChosenImage, Picture]
) -> dict[str, DemandPictures]:
    """Return the pictures by id of the verdict, without those of earlier demands."""
    names: dict[Choice, str] = {}
    demands = {}
    for row, choice in choices:
        if choice.images and choice in names:
            demands[row.id] = DemandPictures(note=choice.note, same_as=names[choice])
        else:
            names[choice] = row.name
            shown = tuple(pictures[image] for image in choice.images)
            demands[row.id] = DemandPictures(shown, choice.note)
    return demands


def _length(content: bytes) -> int:
    """Return the length in base64."""
    return -(-len(content) // 3) * 4


def _data_url(content: bytes) -> str:
    return f"data:image/webp;base64,{base64.b64encode(content).decode()}"


def _digest(content: bytes) -> str:
    return hashlib.blake2b(content, digest_size=8).hexdigest()
