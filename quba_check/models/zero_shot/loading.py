"""From `open_clip:…` to a network."""

from __future__ import annotations

import contextlib
import json
import logging
import pickle
import warnings
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from quba_check.errors import ModelError, did_you_mean, listed, needs
from quba_check.models.classifier import described
from quba_check.models.device import pin_arithmetic
from quba_check.models.fingerprint import named_tensors, state_digest
from quba_check.models.network import LoadedModule, LoadRequest
from quba_check.models.preprocessing.config import PreprocessingConfig
from quba_check.models.specs import ModelSpec
from quba_check.models.zero_shot.classifier import DERIVED, ZeroShotClassifier, config_of_open_clip
from quba_check.models.zero_shot.spec import CONFIG, ZeroShotSpec, zero_shot_spec
from quba_check.models.zero_shot.text_weights import kept_text_weights, text_weights

PARAMETERS = "parameters: image tower alone; text weights are fixed"


def zero_shot_network(spec: ModelSpec, how: LoadRequest, device: torch.device) -> LoadedModule:
    """The network of an open_clip model: image tower, and text weights for the suite's classes.

    Args:
        spec: names the model.
        how: the suite's classes and prompts, and where text weights are kept.
        device: where the texts are read.

    Raises:
        ModelError: open_clip is not installed, does not know the model, or cannot load its weights or its
            tokenizer.
    """
    open_clip = _open_clip(spec)
    from quba_check.models.zero_shot.class_prompts import class_prompts

    named = zero_shot_spec(spec.text)
    model, notes = _model(open_clip, named, spec, trust_pickle=how.trust_pickle)
    model.eval()
    read = class_prompts(how.names, how.prompts)
    tokens = _tokens(open_clip, named, spec, read.texts)
    runtime = f"open_clip {open_clip.__version__}"
    texts = _texts_digest(model, tokens, runtime)

    def make(some: Tensor) -> Tensor:
        pin_arithmetic(device)
        return text_weights(model.to(device), some, device=device)

    weights = kept_text_weights(how.cache and how.cache / "texts" / texts, tokens, make, how.tell)
    module = ZeroShotClassifier(
        model.visual,
        weights,
        scale=model.logit_scale.detach().float().exp().reshape(()),
        bias=_bias(model),
        runtime=runtime,
        texts=texts,
    )
    stated, remarks = config_of_open_clip(open_clip.get_model_preprocess_cfg(model))
    return LoadedModule(
        module.cpu(),
        configs=(PreprocessingConfig(stated, f"open_clip's {spec.name}"),),
        notes=(PARAMETERS, *read.notes, *notes, *remarks),
        derived=DERIVED,
    )


def _open_clip(spec: ModelSpec) -> Any:
    try:
        with _quiet():
            import open_clip
    except ImportError as error:
        raise ModelError(
            f"{spec.text}: a zero-shot model {needs('open_clip_torch', extra='clip')}"
        ) from error
    return open_clip


def _model(
    open_clip: Any, named: ZeroShotSpec, spec: ModelSpec, *, trust_pickle: bool
) -> tuple[Any, tuple[str, ...]]:
    """The whole model with its weights, and a remark where its activation is the weights', not its own."""
    activation: dict[str, bool] = {}
    notes: tuple[str, ...] = ()
    if named.weights is not None:
        _check_named(open_clip, named, spec)
        own = bool(open_clip.get_model_config(named.model).get("quick_gelu", False))
        tagged = open_clip.get_pretrained_cfg(named.model, named.weights) if named.file is None else {}
        if tagged and bool(tagged.get("quick_gelu", False)) != own:
            activation = {"quick_gelu": not own}
            which = "exact GELU" if own else "QuickGELU"
            notes = (f"{spec.name} computes with {which}, as its weights were trained",)
    try:
        with _quiet():
            if named.weights is None and not trust_pickle:
                _check_config(open_clip.get_model_config(named.model), spec)
            model = open_clip.create_model(
                named.model,
                pretrained=str(named.file or named.weights) if named.weights else None,
                require_pretrained=True,
                pretrained_text=False,
                weights_only=not trust_pickle,
                **activation,
            )
    except ModelError:
        raise
    except pickle.UnpicklingError as error:
        raise ModelError(
            f"{spec.text}: would run code when it is read; nothing of it was run. "
            "If you trust whoever made the file: --quba-trust-pickle."
        ) from error
    except Exception as error:  # the hub's, the network's and the file system's errors share no base
        raise ModelError(
            f"{spec.text}: open_clip cannot load it ({_reason(error)}).{_remedy(named)}"
        ) from error
    return model, notes


def _check_config(config: Any, spec: ModelSpec) -> None:
    """Check that a config asks for neither remote code nor another Hub model.

    Raises:
        ModelError: it does.
    """
    vision = config.get("vision_cfg") if isinstance(config, dict) else None
    trunk = vision.get("timm_model_name") if isinstance(vision, dict) else None
    foreign = trunk if isinstance(trunk, str) and ":" in trunk else None
    if "trust_remote_code" in json.dumps(config) or foreign:
        raise ModelError(
            f"{spec.text}: its {CONFIG} asks for code from elsewhere, got "
            f"'{foreign or 'trust_remote_code'}'; nothing of it was run. "
            "If you trust whoever made it: --quba-trust-pickle."
        )


def _check_named(open_clip: Any, named: ZeroShotSpec, spec: ModelSpec) -> None:
    known = open_clip.list_models()
    if named.model not in known:
        raise ModelError(
            f"{spec.text}: unknown model '{named.model}'. Allowed: the models of open_clip "
            f"{open_clip.__version__}.{did_you_mean(named.model, known)}"
        )
    tags = open_clip.list_pretrained_tags_by_model(named.model)
    if named.file is None and not open_clip.is_pretrained_cfg(named.model, named.weights):
        allowed = f"{listed(tags)}, or a weights file" if tags else "a weights file"
        raise ModelError(
            f"{spec.text}: {named.model} has no weights '{named.weights}'. Allowed: {allowed}."
            f"{did_you_mean(str(named.weights), tags)}"
        )


def _tokens(
    open_clip: Any, named: ZeroShotSpec, spec: ModelSpec, texts: tuple[tuple[str, ...], ...]
) -> Tensor:
    """(C, T, L) int64."""
    try:
        with _quiet():
            tokenizer = open_clip.get_tokenizer(named.model)
            tokens: Tensor = tokenizer([text for of_class in texts for text in of_class])
    except ModuleNotFoundError as error:
        raise ModelError(
            f"{spec.text}: its text tokenizer needs {error.name}, which is not installed. "
            f"Install it: pip install {error.name}."
        ) from error
    except Exception as error:
        raise ModelError(f"{spec.text}: its text tokenizer cannot be loaded ({_reason(error)}).") from error
    return tokens.reshape(len(texts), len(texts[0]), -1)


def _texts_digest(model: nn.Module, tokens: Tensor, runtime: str) -> str:
    """Digest of all that the text weights come from."""
    tower = {name: tensor for name, tensor in named_tensors(model).items() if not name.startswith("visual.")}
    return state_digest(tower | {f"tokens of {runtime}": tokens})


def _bias(model: Any) -> Tensor:
    bias = getattr(model, "logit_bias", None)
    return torch.zeros(()) if bias is None else bias.detach().float().reshape(())


def _reason(error: Exception) -> str:
    """An error on one line: torch lists what does not fit over many."""
    words = " ".join(described(error).split())
    if isinstance(error, RuntimeError) and "loading state_dict" in words:
        return " ".join(str(error).split())[:300]
    return words


def _remedy(named: ZeroShotSpec) -> str:
    if named.weights is None or named.file is not None:
        return ""
    return f" Without a network give a weights file: open_clip:{named.model}/FILE."


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep open_clip's own remarks from the user; what matters of them is said by errors and notes."""
    disabled = logging.root.manager.disable
    logging.disable(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(disabled)
