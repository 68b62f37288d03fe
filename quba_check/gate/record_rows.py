"""Parts of a record about the model, suite, images and environment of an evaluation."""

from __future__ import annotations

import platform
import subprocess
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, astuple
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

from quba_check.core.measurement import Measurement
from quba_check.core.view import CLEAN, CLEAN_SET, CORRUPTIONS_SET, View
from quba_check.dimensions import registry
from quba_check.records.per_image import PerImage
from quba_check.records.predictions import PredictionsRow, merged, predictions_row
from quba_check.records.record import PIPELINE, SPACE, ComputeRow, EnvironmentRow, ModelRow, SetRow, SuiteRow
from quba_check.storage.store import content_hash

if TYPE_CHECKING:
    from quba_check.evaluation import Evaluation

_PACKAGES = ("quba-check", "numpy", "opencv-python-headless")
"""Packages on which values depend, apart from the libraries of the models."""


def model_row(evaluation: Evaluation, name: str) -> ModelRow:
    """Return a record's row about the model, under its name in the session."""
    classifier = evaluation.classifier
    return ModelRow(
        spec=classifier.spec,
        name=name,
        fingerprint=classifier.fingerprint,
        generation=evaluation.engine.cache_keys.generation,
        parameters=classifier.facts.parameters,
        preprocessing=evaluation.preprocessing,
        classes=classifier.head.classes,
        outputs=classifier.outputs,
        files=dict(classifier.files),
    )


def suite_row(evaluation: Evaluation, contents: Mapping[str, str], sets: Mapping[str, SetRow]) -> SuiteRow:
    """Return a record's row about the suite, with contents and sizes of its used sets."""
    suite = evaluation.suite
    return SuiteRow(
        name=suite.name,
        root=suite.location,
        fingerprint=content_hash(dict(contents)),
        sample="one" if suite.facts.samples_corruptions else "all",
        contents=dict(contents),
        classes=content_hash(list(suite.classes)),
        sets=dict(sets),
    )


def environment(evaluation: Evaluation, compute: ComputeRow) -> EnvironmentRow:
    """Return the environment of an evaluation in this process, now and in the current folder."""
    return EnvironmentRow(
        versions=_versions(evaluation, compute),
        device=str(evaluation.classifier.device),
        precision=compute.precision,
        compute=compute,
        seed=evaluation.seed,
        time=datetime.now(UTC).isoformat(timespec="seconds"),
        git=_git_commit(),
    )


def content_hashes(evaluation: Evaluation, dimensions: Iterable[str]) -> dict[str, str]:
    """Return hashes of used images and labels, and of `rules` behind them.

    Args:
        evaluation: model and suite.
        dimensions: names of the dimensions.
    """
    names = [*dimensions]
    images = evaluation.engine.contents
    requests = [request for request in evaluation.facts.suite.requests if request.dimension in names]
    contents = {str(view): images.key(view) for view in _image_views(evaluation, names)}
    used = {*contents, *(name for request in requests for name in request.sets)}
    return contents | rules(evaluation, used | {f"{PIPELINE}{request.pipeline}" for request in requests})


def rules(evaluation: Evaluation, names: Iterable[str]) -> dict[str, str]:
    """Return hashes of decided sets with their groups, label spaces of sets, and serving pipelines.

    Args:
        evaluation: model and suite.
        names: names of views and sets, and of pipelines after `PIPELINE`.
    """
    suite = evaluation.suite
    facts = evaluation.suite.facts
    hashes = dict[str, str]()
    known = {name.partition("/")[0] for name in names}
    for name in sorted(known & facts.decided.keys()):
        images = suite.examples(View(facts.view_set(facts.root_of(name))))
        hashes[name] = content_hash([astuple(facts.decided[name]), [image.group for image in images]])
    for name in sorted(known & facts.spaces.keys() - {CLEAN_SET}):
        space = suite.space_of(name)
        hashes[f"{SPACE}{name}"] = content_hash([space.by, space.classes, space.members])
    for name, pipeline in facts.serving.items():
        if f"{PIPELINE}{name}" in known:
            code = ""
            if pipeline.call:  # else versions are no part: they may differ between machines
                from quba_check.models.preprocessing.serving import with_version  # loads torch

                code = with_version(pipeline).version
            hashes[f"{PIPELINE}{name}"] = content_hash([pipeline.as_dict(), code])
    return hashes


def set_rows(evaluation: Evaluation, dimensions: Iterable[str]) -> dict[str, SetRow]:
    """Return the numbers of images, found and expected, of each set that dimensions use."""
    views = _image_views(evaluation, dimensions)
    counts = evaluation.suite.counts(views)
    cache_keys = evaluation.engine.cache_keys
    fast_sets = {view.set for view in views if cache_keys.is_prepared_fast(view)}
    cropped = {view.set: cache_keys.is_cropped(view) for view in views}
    return {
        name: SetRow(
            **asdict(count),
            generated=_generated(evaluation, name),
            preprocessing="fast" if name in fast_sets else "exact",
            cropped=cropped[name],
        )
        for name, count in counts.items()
    }


def prediction_rows(evaluation: Evaluation, sent: Collection[str]) -> dict[str, PredictionsRow]:
    """Return the origins of the answers read so far, by name of the answers.

    Args:
        evaluation: the model; answers of its reference and of models behind pipelines count, too.
        sent: names that are left out.
    """
    rows: dict[str, PredictionsRow] = {}
    for engine in (predictor.engine for predictor in (evaluation, *evaluation.others)):
        for name, origins in engine.tables.origins.items():
            if name not in sent:
                rows[name] = merged(predictions_row(*origin, engine.store.run) for origin in origins)
        for name, (differing, images) in engine.compared.items():
            if name not in sent:
                rows[name] = PredictionsRow(compared=images, differing=differing)
    return rows


def unread_file_notes(evaluation: Evaluation, dimensions: Iterable[str]) -> list[str]:
    """Return notes on unread files in the sets that dimensions use."""
    return evaluation.suite.unread_notes(_image_views(evaluation, dimensions))


def per_image(evaluation: Evaluation, measurement: Measurement) -> PerImage:
    """Return a measurement's values by image, and the answers on the clean set if used."""
    views = {view.images for view in registry[measurement.dimension].views(evaluation.facts.suite)}
    return PerImage.of(measurement, evaluation.clean_answers if CLEAN.images in views else None)


def _image_views(evaluation: Evaluation, dimensions: Iterable[str]) -> list[View]:
    """Return the existing unattacked views that dimensions use, in a fixed order."""
    views = {view.images for name in dimensions for view in registry[name].views(evaluation.facts.suite)}
    return sorted((view for view in views if evaluation.suite.missing(view) is None), key=str)


def _generated(evaluation: Evaluation, set_name: str) -> str | None:
    """Return size and encoding of a set's generated images, such as `generated@224+jpeg85`."""
    suite = evaluation.suite
    if set_name != CORRUPTIONS_SET or not suite.facts.generates_corruptions:
        return None
    _, height, width = evaluation.classifier.preprocessing.input_size
    size = str(height) if height == width else f"{height}x{width}"
    encoding = "" if suite.encoding is None else f"+{suite.encoding}"
    return f"generated@{size}{encoding}"


def _versions(evaluation: Evaluation, compute: ComputeRow) -> dict[str, str]:
    """Return the versions of Python and of the packages on which values depend."""
    versions = {"python": platform.python_version()}
    for package in (*_PACKAGES, *(["openvino"] if compute.runtime == "openvino" else [])):
        with suppress(PackageNotFoundError):
            versions[package] = version(package)
    for predictor in (*evaluation.others, evaluation):
        versions |= predictor.engine.cache_keys.libraries
    return versions


def _git_commit() -> str | None:
    """Return the commit of the current folder, with `+` for changes; None outside a repository."""
    with suppress(OSError, subprocess.SubprocessError):
        answer = subprocess.run(
            ["git", "describe", "--always", "--dirty=+", "--exclude=*", "--abbrev=40"],  # noqa: S607
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        )
        return answer.stdout.strip() or None
    return None
