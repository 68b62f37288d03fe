"""Parts of a record about the model, suite, images and environment of a measured model."""

from __future__ import annotations

import platform
import subprocess
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, astuple
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

from quba_check.core.measurement import Measurement
from quba_check.core.view import CLEAN, CLEAN_SET, View
from quba_check.dimensions import registry
from quba_check.records.per_image import PerImage
from quba_check.records.record import PIPELINE, SPACE, ComputeRow, EnvironmentRow, SetRow, SuiteRow
from quba_check.storage.store import content_hash

if TYPE_CHECKING:
    from quba_check.measured_model import MeasuredModel

_PACKAGES = ("quba-check", "numpy", "opencv-python-headless")
"""Packages on which values depend, apart from the libraries of the models."""


def suite_row(model: MeasuredModel, contents: Mapping[str, str], sets: Mapping[str, SetRow]) -> SuiteRow:
    """Return a record's row about the suite, with contents and sizes of its used sets."""
    suite = model.suite
    return SuiteRow(
        name=suite.name,
        root=suite.location,
        fingerprint=content_hash(dict(contents)),
        sample="one" if suite.facts.samples_corruptions else "all",
        contents=dict(contents),
        classes=content_hash(list(suite.classes)),
        sets=dict(sets),
    )


def environment(model: MeasuredModel) -> EnvironmentRow:
    """Return the environment of a model in this process, now and in the current folder."""
    compute = model.compute_row
    return EnvironmentRow(
        versions=_versions(model.libraries, compute),
        device=model.device,
        precision="" if compute is None else compute.precision,
        compute=compute,
        seed=model.suite.sampler.seed,
        time=datetime.now(UTC).isoformat(timespec="seconds"),
        git=_git_commit(),
    )


def content_hashes(model: MeasuredModel, dimensions: Iterable[str]) -> dict[str, str]:
    """Return hashes of used images and labels, and of `rules` behind them.

    Args:
        model: the model on its suite.
        dimensions: names of the dimensions.
    """
    names = [*dimensions]
    images = model.contents
    requests = [request for request in model.facts.suite.requests if request.dimension in names]
    contents = {str(view): images.key(view) for view in _image_views(model, names)}
    used = {*contents, *(name for request in requests for name in request.sets)}
    return contents | rules(model, used | {f"{PIPELINE}{request.pipeline}" for request in requests})


def rules(model: MeasuredModel, names: Iterable[str]) -> dict[str, str]:
    """Return hashes of decided sets with their groups, label spaces of sets, and serving pipelines.

    Args:
        model: the model on its suite.
        names: names of views and sets, and of pipelines after `PIPELINE`.
    """
    suite = model.suite
    facts = suite.facts
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


def set_rows(model: MeasuredModel, dimensions: Iterable[str]) -> dict[str, SetRow]:
    """Return the numbers of images, found and expected, of each set that dimensions use."""
    views = _image_views(model, dimensions)
    counts = model.suite.counts(views)
    of_views = [(view.set, model.preprocessed(view)) for view in views]
    # A set is `fast` if some of its views are.
    preprocessed = dict(sorted(of_views, key=lambda item: item[1].preprocessing == "fast"))
    return {name: SetRow(**asdict(count), **preprocessed[name]._asdict()) for name, count in counts.items()}


def unread_file_notes(model: MeasuredModel, dimensions: Iterable[str]) -> list[str]:
    """Return notes on unread files in the sets that dimensions use."""
    return model.suite.unread_notes(_image_views(model, dimensions))


def per_image(model: MeasuredModel, measurement: Measurement) -> PerImage:
    """Return a measurement's values by image, and the answers on the clean set if used."""
    views = {view.images for view in registry[measurement.dimension].views(model.facts.suite)}
    return PerImage.of(measurement, model.clean_answers if CLEAN.images in views else None)


def _image_views(model: MeasuredModel, dimensions: Iterable[str]) -> list[View]:
    """Return the existing unattacked views that dimensions use, in a fixed order."""
    views = {view.images for name in dimensions for view in registry[name].views(model.facts.suite)}
    return sorted((view for view in views if model.suite.missing(view) is None), key=str)


def _versions(libraries: dict[str, str], compute: ComputeRow | None) -> dict[str, str]:
    """Return the versions of Python and of the packages on which values depend."""
    runs_openvino = compute is not None and compute.runtime == "openvino"
    versions = {"python": platform.python_version()}
    for package in (*_PACKAGES, *(["openvino"] if runs_openvino else [])):
        with suppress(PackageNotFoundError):
            versions[package] = version(package)
    return versions | libraries


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
