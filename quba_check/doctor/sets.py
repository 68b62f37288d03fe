"""The checks of sets and their image files, among those that demands need."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from itertools import repeat
from typing import Literal, cast

import numpy as np
from PIL import ExifTags, Image

from quba_check.core.facts import short_class_names
from quba_check.core.view import (
    CLEAN,
    CLEAN_SET,
    CORRUPTIONS,
    CORRUPTIONS_SET,
    MIXED_RAND_SET,
    MIXED_SAME_SET,
    SEVERITIES,
    View,
)
from quba_check.dimensions import registry
from quba_check.doctor.finding import Finding, Severity
from quba_check.doctor.subject import BATCH, ModelUnderTest
from quba_check.errors import DecodeError, SuiteError
from quba_check.measured_model import unmeasurable_reason
from quba_check.messages import listed
from quba_check.suites.readers.listing import IMAGE_SUFFIXES
from quba_check.suites.suite import Example, Suite

SHOWN = 3
SMALL_SHARE = 0.25
"""Share of the number of clean images; smaller sets made from them are reported."""
CHANCE = 0.01
"""Largest expected number of empty classes in a random draw for an empty class to be an error."""


def check_sets(subject: ModelUnderTest) -> Iterator[Finding]:
    """Report missing, incomplete or invalid sets, with the demands that need them."""
    suite = subject.suite
    for name, views in _views_by_set(subject).items():
        demanded = _demanded(line for dimension in views for line in subject.needs[dimension])
        try:
            yield from _set_findings(suite, name, views, demanded)
            if name == CLEAN_SET:
                yield from _empty_classes(suite)
        except SuiteError as error:
            yield _finding(str(error), demanded, "correct the data folder or quba-data.yaml")
    for name, lines in subject.needs.items():
        with suppress(SuiteError):  # reported above
            yield from _dimension_findings(subject, name, lines)


def _dimension_findings(subject: ModelUnderTest, name: str, lines: Sequence[str]) -> Iterator[Finding]:
    """Report why a dimension cannot be measured with complete sets."""
    suite = subject.suite
    dimension = registry[name]
    if any(suite.missing(view) for view in dimension.views(suite.facts)):
        return  # reported by set
    reason = unmeasurable_reason(dimension, suite, subject.classifier.no_gradient)
    if reason is not None:
        fix = "remove the demand"
        if reason.missing_data:
            limit = suite.sampler.max_images
            raised = "" if limit is None else f"raise --quba-limit, now {limit:,}, or "
            fix = f"{raised}{fix}, or set `optional: true` on it"
        yield _finding(f"{name} cannot be measured: {reason.reason}.", _demanded(lines), fix)


def _views_by_set(subject: ModelUnderTest) -> dict[str, dict[str, list[View]]]:
    """Return each set's demanded dimensions with their views, in the order of the demands."""
    views: dict[str, dict[str, list[View]]] = {}
    for dimension in subject.needs:
        for view in dict.fromkeys(view.images for view in registry[dimension].views(subject.suite.facts)):
            views.setdefault(view.set, {}).setdefault(dimension, []).append(view)
    return views


def _set_findings(
    suite: Suite, name: str, views_of: Mapping[str, Sequence[View]], demanded: str
) -> Iterator[Finding]:
    views = list(dict.fromkeys(view for views in views_of.values() for view in views))
    missing = [view for view in views if suite.missing(view)]
    if missing:
        yield _finding(
            f"{listed(views_of)} cannot be measured: {_missing_reason(suite, name, views, missing)}.",
            demanded,
            "add the images, or remove the demand, or set `optional: true` on it",
        )
        return
    counts = {view: suite.counts([view])[name] for view in views}
    # For a set under a limit, all its images count, not only the drawn ones.
    whole = {view: count.found or count.images for view, count in counts.items()}
    wrong = {view: count for view, count in counts.items() if count.expected not in (None, whole[view])}
    if wrong and not any(suite.is_generated(view) for view in wrong):
        texts = [f"{view}: {whole[view]:,} of {count.expected:,}" for view, count in wrong.items()]
        yield _finding(
            f"the set '{name}' does not have the expected number of images{_conditions(wrong, counts)}.",
            f"{listed(texts, SHOWN)}; {demanded}",
            "complete the set, or correct `expected` in quba-data.yaml",
        )
        return
    yield from _small_sets(suite, name, whole, demanded)


def _small_sets(suite: Suite, name: str, images: Mapping[View, int], demanded: str) -> Iterator[Finding]:
    """Report sets made from clean images with far fewer images than the clean set."""
    made_of_clean = name in (CORRUPTIONS_SET, MIXED_SAME_SET, MIXED_RAND_SET)
    if not made_of_clean or suite.facts.spaces[name] is not None or suite.missing(CLEAN) is not None:
        return
    count = suite.counts([CLEAN])[CLEAN_SET]
    clean = count.found or count.images
    small = {view: n for view, n in images.items() if n < SMALL_SHARE * clean}
    if small and not any(suite.is_generated(view) for view in small):
        names = listed((f"{view}: {n:,}" for view, n in small.items()), SHOWN)
        yield _finding(
            f"the set '{name}' is much smaller than the clean set{_conditions(small, images)}.",
            f"{names}; clean: {clean:,}; {demanded}",
            "complete the set; with so few images its values are uncertain",
            "remark",
        )


def _conditions(some: Mapping[View, object], all_: Mapping[View, object]) -> str:
    return "" if len(all_) == 1 else f" in {len(some)} of {len(all_)} conditions"


def _missing_reason(suite: Suite, name: str, views: Sequence[View], missing: Sequence[View]) -> str:
    whole = suite.missing(View(name))
    if whole is not None or len(views) == 1:
        return str(whole or suite.missing(missing[0]))
    names = listed((str(view).partition("/")[2] for view in missing), SHOWN)
    return (
        f"{len(missing)} of {len(views)} conditions of the set '{name}' are missing ({names}): "
        f"looked in {suite.set_path(View(name))}"
    )


def _empty_classes(suite: Suite) -> Iterator[Finding]:
    if suite.missing(CLEAN):
        return
    labels = suite.labels(CLEAN).label
    counts = np.bincount(labels[labels >= 0], minlength=len(suite.classes))
    empty = np.flatnonzero(counts == 0)
    median = float(np.median(counts[counts > 0])) if len(empty) < len(counts) else 0.0
    # The expected number of empty classes if images were drawn at random.
    if suite.sampler.max_images is None and len(empty) and len(counts) * np.exp(-median) < CHANCE:
        names = short_class_names(suite.class_names)
        have = "has" if len(empty) == 1 else "have"
        yield _finding(
            f"the set 'clean': {len(empty):,} of {len(counts):,} classes {have} no image.",
            f"{listed((names[k] for k in empty), SHOWN)}; the others have {median:g} each (median)",
            "add images of these classes, or remove them from the suite's classes",
        )


def _demanded(lines: Iterable[str]) -> str:
    return f"demanded by {listed(dict.fromkeys(lines), SHOWN)}"


def _finding(problem: str, evidence: str, fix: str, severity: Severity = "problem") -> Finding:
    return Finding(check="sets", problem=problem, evidence=evidence, fix=fix, severity=severity)


IMAGES = 1024
SHORT_IMAGES = 128
"""Images to decode, over all sets."""
SHARE = 1 / 3
"""Share of the time budget that decoding may take; the checks of the model need the rest."""
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


def check_images(subject: ModelUnderTest) -> Iterator[Finding]:
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
            images = [
                f"{image.full_name} ({defects[defect]})" for image, defects in decoded if defect in defects
            ]
            if len(images) > RARE.get(defect, 0) * len(decoded):
                count = f"{len(images):,} of {len(decoded):,} checked"
                yield Finding(
                    check="images",
                    problem=f"{name}: images {PROBLEMS[defect]}: {count}.",
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
        return {"broken": error.cause if isinstance(error, DecodeError) else str(error)}
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
