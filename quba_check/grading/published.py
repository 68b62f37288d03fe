"""The 326 published models, and two populations of them.

The values (published.csv) are those of the project page of Hesse, Bağcı, Schiele, Schaub-Meyer, Roth: Beyond
Accuracy: What Matters in Designing Well-Behaved Image Classification Models? (TMLR 2026, arXiv 2503.17110;
Apache-2.0), with parameters in millions. They were computed by the released code, on the ImageNet family.

The column `suspect` is not part of the publication. It is inferred from the released code and from patterns
in the results, so it is indicative, not proven: the probabilities of `double-softmax` models passed through
a second softmax, and the attacks left `train-mode` models (networks with BatchNorm) in train mode.
"""

from __future__ import annotations

import csv
import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Literal, cast

from quba_check.core.dimension import PUBLISHED_DIMENSIONS
from quba_check.grading.population import Normalisation, Population, PopulationRow

Suspect = Literal["double-softmax", "train-mode"]
ModelProperty = Literal["architecture", "pretraining", "training"]
PROPERTIES: tuple[ModelProperty, ...] = ("architecture", "pretraining", "training")
"""The properties of published models that a constraint can name."""

SOURCE = "326 models of arXiv 2503.17110"
SUITE = "imagenet"
IMAGES = 50_000
CLASSES = 1000
ZERO_SHOT_FAMILY = "vision-language"
TIMM_PREFIX = "timm:"
NEAREST = 5
"""Largest number of suggestions for an unknown name."""
_OF_PROBABILITIES = frozenset({"adversarial_robustness", "calibration_error", "class_balance"})
SUSPECT_DIMENSIONS: Mapping[Suspect, frozenset[str]] = {
    "double-softmax": _OF_PROBABILITIES,
    "train-mode": _OF_PROBABILITIES | {"corruption_robustness", "ood_robustness"},
}
"""The dimensions with a suspect published value, by cause."""

RELEASED_CONSTANTS: Mapping[str, Normalisation] = {
    "accuracy": Normalisation(0.7990557251908397, 0.034685710545946026),
    "adversarial_robustness": Normalisation(0.18583778826016084, 0.11083062192390095),
    "corruption_robustness": Normalisation(0.5298791080592711, 0.23383978329969085),
    "ood_robustness": Normalisation(0.5664841617855405, 0.14548627504237352),
    "calibration_error": Normalisation(0.004479927389289115, 0.0026752085291489288),
    "class_balance": Normalisation(0.783356376851669, 0.024047971612660052),
    "object_focus": Normalisation(0.9286352601551336, 0.017724144886557092),
    "shape_bias": Normalisation(0.30548520497464765, 0.08354531823072534),
    "parameters": Normalisation(55.28778625954198, 42.8890536095964),
}
"""Means and deviations of the released code; `normalisation` of the rounded table differs by up to 5e-6."""


@dataclass(frozen=True, slots=True)
class PublishedModel:
    """A row of the published table.

    Attributes:
        id: its unique name there.
        family: cnn, transformer, b-cos or vision-language.
        pretraining: imagenet-1k, imagenet-21k, or large.
        training: supervised, self-supervised, semi-supervised, adversarial, or a1-a2-a3 (recipes).
        timm: name in timm, where known.
        suspect: causes of suspect values; empty for most models.
        values: the nine published values, in the dimensions' units.
    """

    id: str
    family: str
    pretraining: str
    training: str
    timm: str | None
    suspect: tuple[Suspect, ...]
    values: Mapping[str, float]

    @property
    def properties(self) -> dict[ModelProperty, str]:
        """Architecture, pretraining and training; the architecture is the family."""
        return {"architecture": self.family, "pretraining": self.pretraining, "training": self.training}

    @property
    def doubtful(self) -> frozenset[str]:
        """Names of the dimensions with a suspect value.

        The published parameters of zero-shot double-softmax models include their text encoder.
        """
        doubtful = frozenset[str]().union(*(SUSPECT_DIMENSIONS[cause] for cause in self.suspect))
        includes_text = "double-softmax" in self.suspect and self.family == ZERO_SHOT_FAMILY
        return doubtful | {"parameters"} if includes_text else doubtful

    @property
    def screened(self) -> dict[str, float]:
        """The values of dimensions without suspicion."""
        return {name: value for name, value in self.values.items() if name not in self.doubtful}


_CAUSES: Mapping[Suspect, str] = {
    "double-softmax": "the probabilities seem to have passed through softmax twice",
    "train-mode": "the attacks seem to have left BatchNorm in train mode",
}


def suspect_sentence(cause: Suspect) -> str:
    """Return the meaning of a cause of suspect values, with the affected dimensions.

    >>> suspect_sentence("double-softmax").partition(", which")[0]
    'double-softmax: the probabilities seem to have passed through softmax twice'
    """
    affected = [name for name in PUBLISHED_DIMENSIONS if name in SUSPECT_DIMENSIONS[cause]]
    return (
        f"{cause}: {_CAUSES[cause]}, which affects {', '.join(affected)} "
        "(inferred from the results, not proven)"
    )


def suspect_sentences(model: PublishedModel) -> list[str]:
    """Return the sentences about the suspect values of a model; empty without any."""
    sentences = [suspect_sentence(cause) for cause in model.suspect]
    if "parameters" in model.doubtful:
        sentences.append("parameters: include the text encoder, which does not classify images")
    return sentences


@cache
def published_models() -> tuple[PublishedModel, ...]:
    """Return the 326 published models, in the order of the table.

    Examples:
        >>> models = published_models()
        >>> len(models), sum(not model.suspect for model in models)
        (326, 219)
    """
    text = files("quba_check.grading").joinpath("published.csv").read_text(encoding="utf-8")
    return tuple(
        PublishedModel(
            id=row["id"],
            family=row["family"],
            pretraining=row["pretraining"],
            training=row["training"],
            timm=row["timm"] or None,
            suspect=cast(tuple[Suspect, ...], tuple(row["suspect"].split())),
            values={name: float(row[name]) for name in PUBLISHED_DIMENSIONS},
        )
        for row in csv.DictReader(text.splitlines())
    )


@cache
def models_by_name() -> Mapping[str, PublishedModel]:
    """Return the published models by their name in the table and, where known, in timm."""
    models = published_models()
    return {model.timm: model for model in models if model.timm} | {model.id: model for model in models}


def nearest_names(name: str) -> list[str]:
    """Return the most similar names of published models, case ignored, best first.

    >>> nearest_names("EVA02-b")[0]
    'EVA02-b-21k'
    """
    folded: dict[str, str] = {}
    for candidate in models_by_name():
        folded.setdefault(candidate.casefold(), candidate)
    near = difflib.get_close_matches(name.casefold(), folded, n=NEAREST, cutoff=0.6)
    return [folded[candidate] for candidate in near]


@cache
def published_population() -> Population:
    """Return all published models with all values, normalised by the released constants."""
    rows = tuple(PopulationRow(model.id, model.values) for model in published_models())
    return Population("published", "released", SUITE, rows, SOURCE, RELEASED_CONSTANTS, IMAGES, CLASSES)


@cache
def screened_population() -> Population:
    """Return the published models without suspect values; 219 of them keep all nine."""
    rows = tuple(PopulationRow(model.id, model.screened) for model in published_models())
    source = f"{SOURCE}, without suspect values"
    return Population("screened", "released", SUITE, rows, source, images=IMAGES, classes=CLASSES)


def published_details(population: Population) -> dict[str, PublishedModel]:
    """Return the published models behind a population, by name; empty for other populations."""
    if population is published_population() or population is screened_population():
        return {model.id: model for model in published_models()}
    return {}
