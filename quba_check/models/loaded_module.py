"""The result of a loader: a module on the CPU, its properties, files and fingerprint."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import torch
from torch import Tensor, nn

from quba_check.core.classes import Head
from quba_check.errors import ModelError
from quba_check.models.choices import Precision
from quba_check.models.identity.state import qualified_name
from quba_check.models.preprocessing.config import PreprocessingConfig
from quba_check.storage.user_files import is_utf8, os_errors, sha256

CHANGED = "{}: changed while the model was loaded or read from it. Run the gate again when nothing writes it."
_ADDRESS = re.compile(r" at 0x[0-9a-f]+")
_DEFAULT_WEIGHTS = "pytorch_model.bin"
_SAFE_WEIGHTS = "model.safetensors"


@dataclass(frozen=True, slots=True)
class ModelFile:
    """A file of a model, as it was before the model was loaded from it.

    Attributes:
        path: the file.
        sha256: hex digest of its bytes.
        identity: device, inode, size, and times of the last changes of content and metadata. A file that was
            replaced and put back has the digest of before, but another identity.
    """

    path: Path
    sha256: str
    identity: tuple[int, ...]

    @property
    def size(self) -> int:
        """Number of its bytes."""
        return self.identity[2]


@dataclass(frozen=True, slots=True)
class Weights:
    """The weights of a model as counted by its loader.

    Attributes:
        parameters: their number; None: that of the module's own parameters.
        size: bytes of the weights as stored; None: those of the module, or unknown for programs.
        uncounted: reason why the parameters cannot be counted; empty if they can.
        hidden: weights outside of the module's parameters that enter the fingerprint, by name.
        notes: notes on the number for the record.
    """

    parameters: int | None = None
    size: int | None = None
    uncounted: str = ""
    hidden: Mapping[str, Tensor] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class LoadedModule:
    """A module as loaded: on the CPU, not yet in eval mode.

    Attributes:
        module: the module that classifies.
        architecture: its timm name without a tag, or empty.
        config_source: name of its own preprocessing config in reports; empty for `pretrained_cfg`.
        sources: files that define the module, apart from its tensors.
        code: `code_digest` of the user's code behind it; empty if there is none.
        configs: preprocessing and outputs stated outside of the module; the last one wins.
        notes: notes for the record.
        weights: its weights.
        device: where it runs, if not on the requested device.
        precision: precision of its passes, if not the requested one.
        no_gradient: reason why no gradient passes through it; empty if one may.
        derived: names of tensors that are computed from the others. They are left out of the fingerprint,
            since their last bits depend on the machine.
        is_program: True for exported programs, which run as they are.
        is_demo: True for a model of the demo, which runs on the plain path.
        uses_version: True if `--quba-model-version` is a part of its identity.
        takes_single_images: True if an image's answer depends on the rest of its batch.
        files: the files that it was loaded from, the weights first; none if they are not known.
        output_step: step of quantised outputs that may be probabilities; 0 for others.
        libraries: versions of the libraries that compute its answers, apart from those of every model.
    """

    module: nn.Module
    architecture: str = ""
    config_source: str = ""
    sources: tuple[Path, ...] = ()
    code: str = ""
    configs: tuple[PreprocessingConfig, ...] = ()
    notes: tuple[str, ...] = ()
    weights: Weights = Weights()
    device: torch.device | None = None
    precision: Precision | None = None
    no_gradient: str = ""
    derived: tuple[str, ...] = ()
    files: tuple[ModelFile, ...] = ()
    is_program: bool = False
    is_demo: bool = False
    uses_version: bool = False
    takes_single_images: bool = False
    output_step: float = 0.0
    libraries: Mapping[str, str] = field(default_factory=dict)


def fingerprint(loaded: LoadedModule, state: str, head: Head | None = None) -> str:
    """Return the fingerprint of a model: its structure, weights, files and the user's code.

    Args:
        loaded: the model; missing files among its sources are left out.
        state: `state_digest` of its tensors.
        head: the outputs that belong to the suite's classes; None for all.

    Returns:
        32 hex digits (blake2b).
    """
    digest = hashlib.blake2b(digest_size=16)
    module = loaded.module
    classes = "\n".join(
        f"{name} {qualified_name(type(part))} {_settings(part)}" for name, part in module.named_modules()
    )
    for text in (loaded.architecture, _ADDRESS.sub("", repr(module)), classes, state):
        digest.update(text.encode() + b"\0")
    sources = (path.read_bytes() for path in loaded.sources if path.is_file())
    contents = {hashlib.blake2b(source, digest_size=16).hexdigest() for source in sources}
    digest.update("\n".join(sorted(contents)).encode())
    digest.update(f"\0code {loaded.code}".encode() if loaded.code else b"")
    for name in ("columns", "positive"):
        value = getattr(head, name, None)
        if value is not None:
            digest.update(f"\0{name} {value}".encode())
    return digest.hexdigest()


def _settings(part: nn.Module) -> str:
    """Return the plain attributes of a module, such as a temperature.

    The printed form of the module may lack them.
    """
    plain = {name: value for name, value in vars(part).items() if _is_plain(value) and name[0] != "_"}
    return repr(sorted((name, value) for name, value in plain.items() if name != "training"))


def _is_plain(value: object) -> bool:
    if isinstance(value, (tuple, list)):
        return all(map(_is_plain, value))
    return value is None or isinstance(value, (bool, int, float, str))


def model_files(*paths: Path) -> tuple[ModelFile, ...]:
    """Digest files that a model will be loaded from.

    Raises:
        ModelError: a file cannot be read.
    """
    return tuple(ModelFile(path, *_state(path)) for path in paths)


def file_digests(files: Sequence[ModelFile]) -> dict[str, str]:
    """Return the SHA-256 (hex) of the files that a model was loaded from, by name.

    The name is relative to the folder of the first file, for files below it.

    Args:
        files: the files before loading, the weights first.

    Raises:
        ModelError: a file was changed or replaced since, so its digest may not be of what was loaded.
    """
    digests: dict[str, str] = {}
    for file in files:
        if _state(file.path) != (file.sha256, file.identity):
            raise ModelError(CHANGED.format(file.path))
        folder = files[0].path.parent
        is_below = file.path.is_relative_to(folder)
        name = file.path.relative_to(folder).as_posix() if is_below else file.path.name
        if is_utf8(name):
            digests[name] = file.sha256
    return digests


def check_in_place(files: Iterable[ModelFile]) -> None:
    """Check the identity of files that a model still reads while it runs.

    Raises:
        ModelError: a file was changed or replaced since the model was loaded.
    """
    for file in files:
        if _identity(file.path) != file.identity:
            raise ModelError(CHANGED.format(file.path))


def _state(path: Path) -> tuple[str, tuple[int, ...]]:
    """Return digest and identity of a file."""
    identity = _identity(path)  # before the content, so that a change while it is read is noticed
    return sha256(path, str(path), ModelError), identity


def _identity(path: Path) -> tuple[int, ...]:
    with os_errors("cannot be read", ModelError, where=f"{path}"):
        status = path.stat()
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


def load_cached(
    load: Callable[[], nn.Module], config: Mapping[str, Any]
) -> tuple[nn.Module, tuple[ModelFile, ...]]:
    """Return a pretrained timm model, and the file that it was loaded from, if known.

    A file that was downloaded on the way is loaded again, since its digest was not taken before.

    Args:
        load: loads the model, from the cache or downloaded.
        config: timm's description of the weights.
    """
    files = model_files(*cached_weights(config))
    module = load()
    paths = cached_weights(getattr(module, "pretrained_cfg", {}))
    if paths == tuple(file.path for file in files):
        return module, files
    files = model_files(*paths)
    return load(), files


def cached_weights(config: Mapping[str, Any]) -> tuple[Path, ...]:
    """Return the local file of a pretrained timm model; none if unknown or missing.

    Args:
        config: timm's description of the weights.
    """
    paths: list[Path] = []
    if config.get("file"):
        paths = [Path(config["file"])]
    elif config.get("hf_hub_id"):
        from huggingface_hub import try_to_load_from_cache

        repository, _, revision = str(config["hf_hub_id"]).partition("@")
        name = str(config.get("hf_hub_filename") or _DEFAULT_WEIGHTS)
        safe = _SAFE_WEIGHTS if name == _DEFAULT_WEIGHTS else str(Path(name).with_suffix(".safetensors"))
        cached = (
            try_to_load_from_cache(repository, file, revision=revision or None) for file in (safe, name)
        )
        paths = [Path(path) for path in cached if isinstance(path, str)][:1]  # the first in timm's order
    elif config.get("url"):
        name = os.path.basename(urlparse(str(config["url"])).path)  # noqa: PTH119  of an address
        paths = [Path(torch.hub.get_dir()) / "checkpoints" / name]
    return tuple(path for path in paths if path.is_file())
