"""Image classifiers of transformers: a folder of `save_pretrained`, from disk or from the Hub."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from quba_check.errors import ModelError
from quba_check.messages import listed
from quba_check.models.errors import model_errors, quiet
from quba_check.models.loaded_module import LoadedModule, model_files
from quba_check.models.programs.transformers_configs import (
    PROCESSOR,
    STATED_KEYS,
    check_config,
    configs_of_folder,
    import_transformers,
    loading_options,
    states_all,
)
from quba_check.models.request import LoadRequest
from quba_check.models.specs import CONFIG, ModelSpec
from quba_check.storage.user_files import read_json

FILES = ("*.json", "*.safetensors", "*.py")
"""Files of a repository that a model is loaded from."""
ADAPTER = "adapter_config.json"
WEIGHTS = "model.safetensors"
INDEX = f"{WEIGHTS}.index.json"
"""States the file of each tensor, for weights in several files."""


def load_transformers(spec: ModelSpec, request: LoadRequest, folder: Path) -> LoadedModule:
    """Load an image classifier of transformers from a folder.

    Args:
        spec: the model.
        request: how it is loaded.
        folder: a folder with `config.json`, the weights and, if stated, `preprocessor_config.json`.

    Raises:
        ModelError: it is no image classifier or answers several classes an image, brings code that is not
            allowed, lacks weights, or its processor prepares images in a way that quba-check lacks.
    """
    stated = read_json(folder / CONFIG, f"{spec.text}: {CONFIG}", ModelError)
    check_config(stated, spec.text, trust_pickle=request.trust_pickle)
    code = sorted(folder.glob("*.py")) if request.trust_pickle else []  # also that of a processor
    weights = _weights(folder, stated, spec.text)
    if not (folder / PROCESSOR).is_file() and not states_all(request) and request.fallback is None:
        hint = f"Save the image processor there, or state {STATED_KEYS} in the file of --quba-preprocessing."
        raise ModelError(f"holds no {PROCESSOR}", where=spec.text, hint=hint)
    files = model_files(*weights, *code, *sorted(folder.glob("*.json")))
    library = import_transformers(spec.text)
    with quiet(), model_errors(f"transformers {library.__version__} cannot load it:", where=spec.text):
        library.utils.logging.disable_progress_bar()
        model, loading = library.AutoModelForImageClassification.from_pretrained(
            folder,
            output_loading_info=True,
            use_safetensors=True,
            ignore_mismatched_sizes=True,  # reported below
            **loading_options(request),
        )
    mismatched = {key if isinstance(key, str) else key[0] for key in loading["mismatched_keys"]}
    lacking = sorted({*loading["missing_keys"], *mismatched})
    if lacking:
        problem = f"its weights do not fit {CONFIG}, missing or of another shape: {listed(lacking, 3)}"
        raise ModelError(problem, where=spec.text, hint="Save model and weights again with save_pretrained.")
    for part in model.modules():
        if hasattr(part, "name_or_path"):
            part.name_or_path = ""  # the same model in another folder has the same fingerprint
    unused = sorted(loading["unexpected_keys"])
    return LoadedModule(
        model,
        sources=tuple(code),
        configs=configs_of_folder(folder, model.config.to_dict(), spec, request, spec.text),
        notes=("the output 'logits' is used", *([f"left out: {listed(unused, 3)}"] if unused else [])),
        files=files,
        libraries={"transformers": library.__version__},
    )


def _weights(folder: Path, config: Mapping[str, Any], spec: str) -> list[Path]:
    """Return the files that transformers reads the weights from.

    Raises:
        ModelError: there are none, or some that are no files of the folder.
    """
    if config.get("transformers_weights") is not None or (folder / ADAPTER).exists():
        problem = f"its weights may be elsewhere ({ADAPTER}, or transformers_weights of {CONFIG})"
        raise ModelError(problem, where=spec, hint="Save the whole model with save_pretrained.")
    if (folder / WEIGHTS).is_file():
        return [folder / WEIGHTS]
    content = read_json(folder / INDEX, f"{spec}: {INDEX}", ModelError) if (folder / INDEX).is_file() else {}
    places = content.get("weight_map") if isinstance(content, dict) else None
    names = sorted(set(map(str, places.values()))) if isinstance(places, dict) else []
    if not names:
        hint = f"Save it again with save_pretrained of transformers 5, which writes {WEIGHTS}."
        raise ModelError(
            "holds no weights", where=spec, allowed=f"{WEIGHTS}, or the files of {INDEX}", hint=hint
        )
    root = folder.parents[1] if folder.parent.name == "snapshots" else folder  # the Hub's cache has links
    for name in names:
        path = folder / name
        is_plain = Path(name).name == name and name.endswith(".safetensors") and path.is_file()
        if not is_plain or not path.resolve().is_relative_to(root.resolve()):
            allowed = "regular .safetensors files of the folder, not links to others"
            raise ModelError(f"{INDEX} names unusable weights", where=spec, got=repr(name), allowed=allowed)
    return [folder / name for name in names]
