"""Whether image files can be read, and what is lost on the way from them to RGB."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Literal, cast

from PIL import ExifTags, Image

from quba_check.core.view import CORRUPTIONS, CORRUPTIONS_SET, SEVERITIES, View
from quba_check.doctor.finding import Finding
from quba_check.doctor.subject import ModelUnderTest
from quba_check.errors import SuiteError, listed
from quba_check.suites.suite import Example, Suite

LOOKED_AT, SHORT_LOOKED_AT = 1024, 128
"""Images that are decoded, over all sets."""
READERS = 2
SHOWN = 3
EIGHT_BITS = 255
OPAQUE = 255

Defect = Literal["broken", "transparent", "deep", "inked", "turned"]

RARE = {"inked": 0.01, "turned": 0.05}
"""Shares up to which a defect is no mistake: ImageNet itself has a few such photos."""
PROBLEMS: dict[Defect, str] = {
    "broken": "cannot be decoded",
    "transparent": "cannot keep their transparency in RGB",
    "deep": "cannot keep their values in 8 bits",
    "inked": "cannot keep their CMYK colours in RGB",
    "turned": "would have to be turned: an EXIF orientation is not applied",
}
FIXES: dict[Defect, str] = {
    "broken": "replace or remove the files",
    "transparent": "store them as RGB on the background that the model knows",
    "deep": "store them with 8 bits a channel, scaled as in training",
    "inked": "store them as RGB",
    "turned": "turn the pixels and drop the tag, if training turned them: PIL.ImageOps.exif_transpose",
}


@dataclass(frozen=True, slots=True)
class Seen:
    """A defect of one image.

    Attributes:
        example: the image.
        defect: what is the matter.
        detail: a few words on it.
    """

    example: Example
    defect: Defect
    detail: str


def check(patient: ModelUnderTest) -> Iterator[Finding]:
    """Decode a sample of every set; what cannot be decoded is kept from later checks."""
    views = _views(patient)
    limit = (SHORT_LOOKED_AT if patient.short else LOOKED_AT) // max(1, len(views))
    looked: dict[str, int] = {}
    seen: dict[tuple[str, Defect], list[Seen]] = {}
    with ThreadPoolExecutor(READERS, "quba-doctor") as pool:
        for view in views:
            try:
                examples = patient.sample(view, max(1, limit))
            except SuiteError:  # told by the check of the sets, if a demand needs this one
                continue
            looked[view.set] = looked.get(view.set, 0) + len(examples)
            patient.decoded += len(examples)
            for found in pool.map(lambda example: _look(patient.suite, example), examples):
                for one in found:
                    seen.setdefault((view.set, one.defect), []).append(one)
                    if one.defect == "broken":
                        patient.leave_out(view, one.example)
    for name, images in looked.items():
        for defect in PROBLEMS:
            cases = seen.get((name, defect), [])
            if len(cases) > RARE.get(defect, 0) * images:
                yield _finding(name, defect, cases, images)


def _finding(name: str, defect: Defect, cases: Sequence[Seen], looked: int) -> Finding:
    named = sorted(cases, key=lambda case: _name(case.example))
    shown = listed((f"{_name(case.example)} ({case.detail})" for case in named), SHOWN)
    return Finding(
        check="images",
        problem=f"{name}: {len(cases):,} of {looked:,} images looked at {PROBLEMS[defect]}.",
        evidence=shown,
        fix=FIXES[defect],
    )


def _name(example: Example) -> str:
    """Its path in the data folder, with its place in the container in brackets."""
    return example.name if example.member is None else f"{example.name}[{example.member}]"


def _views(patient: ModelUnderTest) -> list[View]:
    """What is looked at: every set that is there; of corruptions each at one severity, in short one alone."""
    severities = {name: SEVERITIES[k % len(SEVERITIES)] for k, name in enumerate(CORRUPTIONS)}
    if patient.short:
        chosen = CORRUPTIONS[patient.seed % len(CORRUPTIONS)]
        severities = {chosen: severities[chosen]}
    return [
        view
        for view in patient.suite.views()
        if not patient.suite.is_generated(view)
        and (view.set != CORRUPTIONS_SET or view.severity == severities.get(str(view.corruption)))
    ]


def _look(suite: Suite, example: Example) -> list[Seen]:
    """What is the matter with an image."""
    path = suite.path(example)
    if example.member is None and path.is_file() and path.stat().st_size == 0:
        return [Seen(example, "broken", "the file is empty")]
    try:
        suite.image(example)
    except SuiteError as error:
        reason = str(error).partition("cannot be decoded as an image (")[2].rpartition(").")[0]
        return [Seen(example, "broken", reason or str(error))]
    with suite.open_image(example) as image:
        defects = [_depth(image), _transparency(image), _ink(image), _turn(image)]
    return [Seen(example, *defect) for defect in defects if defect is not None]


def _depth(image: Image.Image) -> tuple[Defect, str] | None:
    if not image.mode.startswith(("I", "F")):
        return None
    low, high = cast(tuple[float, float], image.getextrema())  # one band
    is_fraction = image.mode == "F" and high <= 1
    if is_fraction or high > EIGHT_BITS:
        return "deep", f"{image.mode}, {low:g} to {high:g}"
    return None


def _transparency(image: Image.Image) -> tuple[Defect, str] | None:
    if not image.has_transparency_data:
        return None
    alpha = image.convert("RGBA").getchannel("A").histogram()
    share = 1 - alpha[OPAQUE] / sum(alpha)
    return ("transparent", f"{image.mode}, {share:.0%} of it") if share else None


def _ink(image: Image.Image) -> tuple[Defect, str] | None:
    return ("inked", image.mode) if image.mode == "CMYK" else None


def _turn(image: Image.Image) -> tuple[Defect, str] | None:
    orientation = image.getexif().get(ExifTags.Base.Orientation, 1)
    return ("turned", f"orientation {orientation}") if orientation in range(2, 9) else None
