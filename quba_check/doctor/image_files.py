"""The check of image files: readable, and without losses in the conversion to RGB."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import partial
from itertools import repeat
from typing import Literal, cast

from PIL import ExifTags, Image

from quba_check.core.view import CORRUPTIONS, CORRUPTIONS_SET, SEVERITIES, View
from quba_check.doctor.finding import Finding
from quba_check.doctor.subject import BATCH, ModelUnderTest
from quba_check.errors import SuiteError
from quba_check.messages import listed
from quba_check.suites.readers.listing import IMAGE_SUFFIXES
from quba_check.suites.suite import Example, Suite

IMAGES, SHORT_IMAGES = 1024, 128
"""Images to decode, over all sets."""
SHARE = 1 / 3
"""Share of the time budget that decoding may take; the checks of the model need the rest."""
SHOWN = 3
EIGHT_BITS = 255
OPAQUE = 255

UNREAD_FIX = (
    f"store them in the folders of the other images, as {', '.join(IMAGE_SUFFIXES)}; or move them away"
)
Defect = Literal["broken", "transparent", "high_bit_depth", "cmyk", "rotated"]

RARE = {"cmyk": 0.01, "rotated": 0.05}
"""Largest acceptable share of images with a defect: ImageNet itself has a few such photos."""
PROBLEMS: dict[Defect, str] = {
    "broken": "cannot be decoded",
    "transparent": "lose their transparency in RGB",
    "high_bit_depth": "lose values in 8 bits",
    "cmyk": "lose their CMYK colours in RGB",
    "rotated": "have an EXIF orientation, which is not applied",
}
FIXES: dict[Defect, str] = {
    "broken": "replace or remove the files",
    "transparent": "store them as RGB on the background that the model was trained with",
    "high_bit_depth": "store them with 8 bits per channel, scaled as in training",
    "cmyk": "store them as RGB",
    "rotated": "rotate the pixels and drop the tag, if training did so: PIL.ImageOps.exif_transpose",
}


def check(subject: ModelUnderTest) -> Iterator[Finding]:
    """Decode a sample of every set; broken images are excluded from later checks."""
    views = list(_views(subject))
    if not subject.short:  # a gate run has its own note
        for note in subject.suite.unread_notes(views):
            yield Finding(check="images", problem=f"{note}.", evidence="", fix=UNREAD_FIX, severity="remark")
    by_set: dict[str, list[tuple[Example, dict[Defect, str]]]] = {}
    for view, example, defects in _decoded(subject, views):
        by_set.setdefault(view.set, []).append((example, defects))
        if "broken" in defects:
            subject.exclude(view, example)
    for name, decoded in by_set.items():
        for defect in PROBLEMS:
            images = [f"{one.full_name} ({defects[defect]})" for one, defects in decoded if defect in defects]
            if len(images) > RARE.get(defect, 0) * len(decoded):
                yield Finding(
                    check="images",
                    problem=f"{name}: {len(images):,} of {len(decoded):,} checked images {PROBLEMS[defect]}.",
                    evidence=listed(sorted(images), SHOWN),
                    fix=FIXES[defect],
                )


def _decoded(
    subject: ModelUnderTest, views: Sequence[View]
) -> Iterator[tuple[View, Example, dict[Defect, str]]]:
    """Yield images of each view with their defects, while decoding has time."""
    limit = (SHORT_IMAGES if subject.short else IMAGES) // max(1, len(views))
    for view in views:
        examples = subject.sample(view, max(1, limit))
        for start in range(0, len(examples), BATCH):
            if subject.budget.is_spent(SHARE):
                subject.budget.leave_out("image files")
                return
            batch = examples[start : start + BATCH]
            subject.decoded += len(batch)
            defects = subject.pool.map(partial(_defects, subject.suite), batch)
            yield from zip(repeat(view), batch, defects, strict=False)


def _views(subject: ModelUnderTest) -> Iterator[View]:
    """Yield the views of all sets in files that can be listed.

    Corruptions have one severity each; the short form has one corruption.
    """
    severities = {name: SEVERITIES[k % len(SEVERITIES)] for k, name in enumerate(CORRUPTIONS)}
    if subject.short:
        chosen = CORRUPTIONS[subject.seed % len(CORRUPTIONS)]
        severities = {chosen: severities[chosen]}
    for view in subject.suite.views():
        is_chosen = view.set != CORRUPTIONS_SET or view.severity == severities.get(str(view.corruption))
        if is_chosen and not subject.suite.is_generated(view):
            with suppress(SuiteError):  # reported by the check of the sets, if a demand needs this one
                subject.suite.examples(view)
                yield view


def _defects(suite: Suite, example: Example) -> dict[Defect, str]:
    """Return details of an image's defects."""
    path = suite.path(example)
    if example.member is None and path.is_file() and path.stat().st_size == 0:
        return {"broken": "the file is empty"}
    try:
        suite.image(example)
    except SuiteError as error:
        reason = str(error).partition("cannot be decoded as an image (")[2].rpartition(").")[0]
        return {"broken": reason or str(error)}
    with suite.open_image(example) as image:
        orientation = image.getexif().get(ExifTags.Base.Orientation, 1)
        details: dict[Defect, str | None] = {
            "high_bit_depth": _depth(image),
            "transparent": _transparency(image),
            "cmyk": image.mode if image.mode == "CMYK" else None,
            "rotated": f"orientation {orientation}" if orientation in range(2, 9) else None,
        }
    return {defect: detail for defect, detail in details.items() if detail is not None}


def _depth(image: Image.Image) -> str | None:
    if not image.mode.startswith(("I", "F")):
        return None
    low, high = cast(tuple[float, float], image.getextrema())  # one band
    is_fraction = image.mode == "F" and high <= 1
    return f"{image.mode}, {low:g} to {high:g}" if is_fraction or high > EIGHT_BITS else None


def _transparency(image: Image.Image) -> str | None:
    if not image.has_transparency_data:
        return None
    alpha = image.convert("RGBA").getchannel("A").histogram()
    share = 1 - alpha[OPAQUE] / sum(alpha)
    return f"{image.mode}, {share:.0%} of it" if share else None
