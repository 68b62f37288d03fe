"""The page of errors: their classes, and the messages whose cause is not in the text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from quba_check import errors
from tools.reference.markdown import code, page, table

CLASSES = {
    name: kind
    for name, kind in vars(errors).items()
    if isinstance(kind, type) and issubclass(kind, errors.QubaError)
}
"""The exception classes of quba-check, the base first."""

ADVICE: Mapping[str, str] = {
    "QubaError": "",
    "UserError": "",
    "OptionError": "[options](../options.md)",
    "ThresholdError": "[threshold file](files.md#threshold-file)",
    "SuiteError": "[data](../data.md)",
    "FewObjectsError": "[masks](../data.md#i-have-no-images-for-object_focus)",
    "DecodeError": "replace or remove the image",
    "ModelError": "[models](../models.md)",
    "HeadError": "[restrict the model](../data.md#my-suite-has-only-some-of-the-models-classes)",
    "DimensionError": "[custom dimensions](../python.md#how-do-i-add-a-dimension)",
    "PopulationError": "[populations](../dimensions.md#which-populations-are-there)",
    "StoreError": "[the store](../store.md)",
    "InvalidValueError": "the message names the file and line",
    "UnmeasurableError": "[missing values](../thresholds.md#what-if-a-value-cannot-be-measured)",
    "InvariantError": "report it: a bug, or a model that changes between passes",
}
"""Advice for each class."""


class Explained(NamedTuple):
    """Words of a message, as they stand in the source, with the usual cause and the remedy."""

    words: str
    cause: str
    remedy: str


MESSAGES = (
    Explained(
        "parameters or buffers are not those of the start",
        "`forward` counts calls or updates statistics, or a layer stays in train mode.",
        "Run the [doctor](../doctor.md): it names the layer.",
    ),
    Explained(
        "changed while the model was measured",
        "The same: a forward pass writes to the model.",
        "Run the doctor.",
    ),
    Explained(
        "the model passes no gradient from its output to its input",
        "`forward` uses `no_grad`, `detach`, numpy or another runtime.",
        "Remove it, or leave adversarial_robustness out of the demands.",
    ),
    Explained(
        "an attack left its bounds",
        "The model changes its input in place.",
        "Copy the images at the start of `forward`.",
    ),
    Explained(
        "output is not finite",
        "Half precision overflows, or the weights are damaged.",
        "Try `--quba-precision=fp32`.",
    ),
    Explained(
        "the outputs were taken for",
        "Outputs on clean images looked like probabilities, later ones do not, or the reverse.",
        "State `outputs` in the [preprocessing file](../models.md#how-do-i-override-the-preprocessing).",
    ),
    Explained(
        "clean images is classified right",
        "The classes are in another order, or the normalisation is wrong.",
        "Run the doctor, with `--order` if the class order is unknown.",
    ),
    Explained(
        "do not fit",
        "The architecture is a variant of the trained one, or was built with other options.",
        "Name the exact timm model with `--quba-arch`, or build it in a "
        "[function](../models.md#how-do-i-judge-a-model-of-another-kind).",
    ),
    Explained(
        "its program could reach files",
        "A method or variable has the name of an operator, such as `save`.",
        "Rename it: [security](../security.md#what-can-each-kind-of-model-file-do).",
    ),
    Explained(
        "is another than",
        "An older file on a machine, or a callable with random weights.",
        "Copy the file, or load the weights in the callable.",
    ),
    Explained(
        "cannot be locked",
        "The file system has no locks, as NFS 3 without a lock service.",
        "Name a store on another file system, or at a "
        "[URL](../many-machines.md#how-do-machines-share-predictions).",
    ),
)
"""In the order of the page."""


def errors_page() -> str:
    """Return the page."""
    return page(
        "Errors",
        "A message names the option, or file and line, what is wrong, and what is allowed; "
        "[exit code 4](../result.md#what-does-the-exit-code-mean). Any other exception is a bug: exit code "
        "3, and a file with the traceback.",
        "## Which errors are there?",
        table(
            ("class", "meaning", "see"),
            [(code(name), _meaning(kind), ADVICE[name]) for name, kind in CLASSES.items()],
        ),
        "## What is behind a message?",
        table(
            ("words of the message", "usual cause", "what to do"),
            [(f"… {message.words} …", message.cause, message.remedy) for message in MESSAGES],
        ),
    )


def _meaning(kind: type) -> str:
    return (kind.__doc__ or "").partition("\n")[0]
