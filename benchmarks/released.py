"""The released code, run as it is: `python -m benchmarks.released CHECKOUT DATA MODEL.pt [DIMENSION…]`.

CHECKOUT is a checkout of github.com/visinf/beyond-accuracy. Its functions are imported from there:
`benchmark` of eval.py with its loops over dimensions, its data loading and its attacks. Nothing of it is copied
here. The paths that it leaves open ("DUMMY") are set to DATA. Packages that only load other models
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
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest.mock import MagicMock

WORKERS = 2
BATCH_SIZE = 32
DIMENSIONS = {
    "accuracy": "accuracy",
    "adversarial_robustness": "adv_rob",
    "corruption_robustness": "c_rob",
    "ood_robustness": "ood_rob",
    "calibration_error": "calibration_error",
    "class_balance": "class_balance",
    "object_focus": "object_focus",
    "shape_bias": "shape_bias",
    "parameters": "params",
}
"""Its option by the name of the dimension here."""
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

    constants._DATA_DIR = f"{data}/"
    constants._IMAGENET1K_DIR = f"{data}/imagenet/val/"
    constants._IMAGENETC_DIR = f"{data}/imagenet-c/"
    constants._IMAGENETR_DIR = f"{data}/imagenet-r"
    constants._MODEL_VS_HUMAN_DIR = constants._DATASET_DIR = f"{data}/modelvshuman"
    constants._MIXED_RAND_DIR = f"{data}/bg_challenge/mixed_rand/val"
    constants._MIXED_SAME_DIR = f"{data}/bg_challenge/mixed_same/val"
    constants._CODE_DIR = str(checkout / "helper" / "modelvshuman")
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
    checkout, data, checkpoint = (Path(text).absolute() for text in sys.argv[1:4])
    names = sys.argv[4:] or list(DIMENSIONS)
    printed, sys.stdout = sys.stdout, sys.stderr  # its own output does not mix with the result
    from benchmarks.measuring import cpu_seconds

    begin = 0.0
    protocol, generate_data = load(checkout, data)
    model = standard_model(generate_data, checkpoint.stem, checkpoint)
    flags = dict.fromkeys(DIMENSIONS.values(), False)
    shared = {
        "device": "cpu",
        "batch_size": BATCH_SIZE,
        "num_workers": WORKERS,
        "shuffle": True,
        "num_classes": 1000,
    }
    loader = generate_data.load_dataset(
        model, f"{data}/imagenet/val/", num_workers=WORKERS, batch_size=BATCH_SIZE
    )
    spent: dict[str, float] = {"start": cpu_seconds() - begin}
    values: dict[str, float] = {}
    for name in names:
        begin = cpu_seconds()
        result, _ = protocol.benchmark(
            model, loader, Namespace(**{**flags, DIMENSIONS[name]: True}, **shared)
        )
        spent[name] = cpu_seconds() - begin
        values[name] = float(next(value[0] for key, value in result.items() if key != "Model"))
    print(json.dumps({"cpu": spent, "values": values}), file=printed)


if __name__ == "__main__":
    main()
