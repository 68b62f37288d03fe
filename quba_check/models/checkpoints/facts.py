"""The facts of a checkpoint: its weights, its metadata, and the `config.json` next to it."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass

from quba_check.errors import ModelError
from quba_check.models.checkpoints.hub_config import NAME, read_config
from quba_check.models.checkpoints.reading import Checkpoint, read_checkpoint
from quba_check.models.checkpoints.timm_architectures import BuildSpec
from quba_check.models.model_files import ModelFile, model_files
from quba_check.models.request import LoadRequest
from quba_check.models.specs import ModelSpec

WEIGHTS = ("model.safetensors", "pytorch_model.bin", "pytorch_model.pth", "model.pth")
"""File names of a folder's weights, in timm's order."""


@dataclass(frozen=True, slots=True)
class CheckpointFacts:
    """The content of a checkpoint's files.

    Attributes:
        spec: the model.
        where: the weights, for messages.
        file: the file with the weights.
        checkpoint: its content.
        config: the build spec in timm's `config.json` of the folder; None if missing or foreign.
    """

    spec: ModelSpec
    where: str
    file: ModelFile
    checkpoint: Checkpoint
    config: BuildSpec | None

    @property
    def stem(self) -> str:
        """The name of the file with the weights, without its suffixes."""
        return self.file.path.name.partition(".")[0]


def read_facts(spec: ModelSpec, request: LoadRequest) -> CheckpointFacts:
    """Read a checkpoint file, or a folder with timm's `config.json` and the weights.

    Raises:
        ModelError: a file cannot be read, or a folder holds no weights or no usable config.
        HeadError: the config of a folder states another number of classes than the suite.
    """
    path, where, config = spec.path, spec.text, None
    if spec.kind == "folder":
        config = read_config(path / NAME, spec=spec.text, head=request.expected_head)
        weights = next((path / name for name in WEIGHTS if (path / name).is_file()), None)
        if weights is None:
            raise ModelError(f"{where}: holds no weights. Allowed: {', '.join(WEIGHTS)}.")
        path, where = weights, f"{where.rstrip('/')}/{weights.name}"
    elif (path.parent / NAME).is_file():
        with contextlib.suppress(ModelError):
            config = read_config(path.parent / NAME, spec=f"the folder of {where}")
    (file,) = model_files(path)
    checkpoint = read_checkpoint(path, spec=where, trust_pickle=request.trust_pickle)
    return CheckpointFacts(spec, where, file, checkpoint, config)
