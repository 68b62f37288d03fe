"""The released code, run as it is: `python -m benchmarks.released CHECKOUT DATA MODEL.pt [DIMENSION…]`.

CHECKOUT is a checkout of github.com/visinf/beyond-accuracy. Its functions are imported from there:
`benchmark` of eval.py with its loops over dimensions, its data loading and its attacks. Nothing of it is
copied here. The paths that it leaves open ("DUMMY") are set to DATA. Packages that only load other models
(robustbench, bagnets, bcos, clip, open_clip, wget) or draw figures (matplotlib) are replaced by empty ones:
they take no part in the measured work. Needed are torchattacks, torchmetrics, pandas, requests and tqdm.

Prints one JSON object: CPU seconds, of the process and its workers, and the value of each dimension.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
from argparse import Namespace
from collections import deque
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest.mock import MagicMock

from benchmarks.measuring import cpu_of, cpu_seconds
from quba_check.core.dimension import PUBLISHED_DIMENSIONS

WORKERS = 2
BATCH_SIZE = 32
DIMENSIONS = dict(zip(PUBLISHED_DIMENSIONS, PUBLISHED_DIMENSIONS, strict=True)) | {
    "adversarial_robustness": "adv_rob",
    "corruption_robustness": "c_rob",
    "ood_robustness": "ood_rob",
    "parameters": "params",
}
"""Its option by the name of the dimension here."""
READING = "reading"
"""In place of dimensions: only read the photos in DATA/val, four times."""
PLACES = {
    "_DATA_DIR": "{data}/",
    "_IMAGENET1K_DIR": "{data}/imagenet/val/",
    "_IMAGENETC_DIR": "{data}/imagenet-c/",
    "_IMAGENETR_DIR": "{data}/imagenet-r",
    "_MODEL_VS_HUMAN_DIR": "{data}/modelvshuman",
    "_DATASET_DIR": "{data}/modelvshuman",
    "_MIXED_RAND_DIR": "{data}/bg_challenge/mixed_rand/val",
    "_MIXED_SAME_DIR": "{data}/bg_challenge/mixed_same/val",
    "_CODE_DIR": "{checkout}/helper/modelvshuman",
}
"""The paths that its users fill in."""
UNUSED = (
    "bagnets", "bagnets.pytorchnet", "robustbench", "bcos", "bcos.models", "bcos.models.pretrained", "clip",
    "wget", "matplotlib", "matplotlib.lines", "open_clip",
)  # fmt: skip
"""Packages that it imports and that play no part here."""
NEEDED = ("torchattacks", "torchmetrics", "pandas", "tqdm", "requests")


def missing_packages() -> list[str]:
    """Return the packages that the released code needs here and that are not installed."""
    return [name for name in NEEDED if find_spec(name) is None]


def load(checkout: Path, data: Path) -> tuple[ModuleType, ModuleType]:
    """Import eval.py and helper/generate_data.py of a checkout, with its paths set to a data folder."""
    importlib.import_module("torchmetrics")  # before the replacements, as it asks for matplotlib
    sys.modules.update({name: MagicMock() for name in UNUSED})
    os.chdir(checkout)  # it reads ./helper/backgrounds_challenge
    sys.path.insert(0, str(checkout))
    import quba_constants as constants

    for name, place in PLACES.items():
        setattr(constants, name, place.format(data=data, checkout=checkout))
    import eval as protocol
    from helper import generate_data

    return protocol, generate_data


def standard_model(generate_data: ModuleType, architecture: str, checkpoint: Path) -> Any:
    """Return a model with timm's transform in the released wrapper, as its `load_model` does."""
    import timm
    import torch

    model = timm.create_model(architecture)
    model.load_state_dict(torch.load(checkpoint, weights_only=True))
    transform = generate_data.create_transform(**generate_data.resolve_data_config({}, model=model))
    return generate_data.StandardModel(model=model, model_name=architecture, transform=transform)


def main() -> None:
    if len(sys.argv) < 4:
        print("usage: python -m benchmarks.released CHECKOUT DATA MODEL.pt [DIMENSION…]", file=sys.stderr)
        sys.exit(2)
    checkout, data, checkpoint = (Path(text).absolute() for text in sys.argv[1:4])
    names = sys.argv[4:] or list(DIMENSIONS)
    printed, sys.stdout = sys.stdout, sys.stderr  # its own output does not mix with the result
    protocol, generate_data = load(checkout, data)
    model = standard_model(generate_data, checkpoint.stem, checkpoint)
    if names == [READING]:
        loader = generate_data.load_dataset(model, f"{data}/val", num_workers=WORKERS, batch_size=BATCH_SIZE)
        answer: dict[str, Any] = {READING: [cpu_of(lambda: deque(loader, maxlen=0)) for _ in range(4)]}
    else:
        answer = measured(protocol, generate_data, model, data, names)
    print(json.dumps(answer), file=printed)


def measured(
    protocol: ModuleType, generate_data: ModuleType, model: Any, data: Path, names: list[str]
) -> dict[str, dict[str, float]]:
    """Return CPU seconds and value of each dimension, and of `start`: the imports and the model."""
    spent = {"start": cpu_seconds()}
    values = {}
    loader = generate_data.load_dataset(
        model, f"{data}/imagenet/val/", num_workers=WORKERS, batch_size=BATCH_SIZE
    )
    settings = dict.fromkeys(DIMENSIONS.values(), False) | {
        "device": "cpu",
        "batch_size": BATCH_SIZE,
        "num_workers": WORKERS,
        "shuffle": True,
        "num_classes": 1000,
    }
    for name in names:
        begin = cpu_seconds()
        result, _ = protocol.benchmark(model, loader, Namespace(**{**settings, DIMENSIONS[name]: True}))
        spent[name] = cpu_seconds() - begin
        values[name] = float(next(value[0] for key, value in result.items() if key != "Model"))
    return {"cpu": spent, "values": values}


if __name__ == "__main__":
    main()
