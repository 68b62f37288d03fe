"""Sentences about suspect values of published models."""

from __future__ import annotations

from collections.abc import Mapping

from quba_check.core.dimension import PUBLISHED_DIMENSIONS
from quba_check.grading.published import SUSPECT_DIMENSIONS, PublishedModel, Suspect

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
