"""Writes `golden.npz` and `golden.json` with version 0.2.0: `PYTHONPATH=VERSION_0_2_0 python golden.py`."""

import hashlib
import json
import sys
import tempfile
from dataclasses import fields
from importlib.metadata import version
from itertools import product
from pathlib import Path

import numpy as np
import torch

from quba_check.core.dimension import PUBLISHED_DIMENSIONS
from quba_check.core.measurement import Measurement
from quba_check.core.view import CLEAN, CORRUPTIONS, FGSM, PGD, View
from quba_check.engine.cache_keys import LIBRARIES
from quba_check.evaluation import Evaluation
from quba_check.models.loading import load_classifier
from quba_check.models.request import LoadRequest
from quba_check.suites.opening import find_suite
from quba_check.suites.sampling import SubsetSampler

HERE = Path(__file__).parent
CELLS = "cells:network"
MODELS = {CELLS: HERE / "data", "demo": "demo", "demo-textured": "demo"}
"""The suite of each model."""
DEMO_LIMIT = 30
SIDE = 48
GENERATED = tuple(View("corruptions", name, 1 + k % 5) for k, name in enumerate(CORRUPTIONS))
READ = (View("corruptions", "fog", 3), View("corruptions", "jpeg_compression", 5))
SHIFTS = {CELLS: ("night",), "demo": ("sketch", "edge"), "demo-textured": ("sketch", "edge")}
EXACT = {"precision": "fp32", "exact_preprocessing": True}


def views(model: str) -> tuple[View, ...]:
    """The views whose columns are compared."""
    others = (*SHIFTS[model], "mixed_same", "mixed_rand", "cue_conflict")
    return (CLEAN, FGSM, PGD, *GENERATED, *map(View, others))


def evaluation(model: str, suite: Path | str, protocol: str, store: Path) -> Evaluation:
    """A model on a suite, in fp32 with exact preprocessing where the version knows that setting."""
    sampler = SubsetSampler(DEMO_LIMIT if suite == "demo" else None, 0)
    opened = find_suite(suite, store, sampler)
    known = {field.name for field in fields(LoadRequest)}
    request = LoadRequest(
        classes=opened.classes,
        head=opened.head,
        image_size=opened.image_size,
        prompts=opened.prompts,
        cache=store,
        **{name: value for name, value in EXACT.items() if name in known},
    )
    return Evaluation(load_classifier(model, request), opened, protocol=protocol, store=store)


def arithmetic(measured: Evaluation) -> str:
    """A hash of plain passes of a model, whose last bits differ between processors of one kind."""
    generator = torch.Generator().manual_seed(2)
    digest = hashlib.blake2b(digest_size=16)
    module = measured.classifier.module
    for count in (16, 8, 3):
        images = torch.rand((count, 3, SIDE, SIDE), generator=generator).requires_grad_()
        outputs = module(images)
        (gradient,) = torch.autograd.grad(outputs.square().sum(), images)
        for tensor in (outputs, gradient):
            digest.update(tensor.detach().numpy().tobytes())
    return digest.hexdigest()


def columns(measured: Evaluation, view: View) -> dict[str, np.ndarray]:
    """All stored columns of a view; it is predicted if necessary."""
    measured.engine.predictions([view])
    parts = [measured.store.read(key).columns for key in measured.engine.cache_keys.shard_keys(view)]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def keys(measured: Evaluation, view: View) -> list[str]:
    """Cache entry of a view, and the content of each shard."""
    shards = measured.engine.cache_keys.shard_keys(view)
    return [shards[0].cache_entry, *(key.content for key in shards)]


def values(measured: Evaluation) -> dict[str, float | str]:
    """The nine values; the reason if there is none."""
    outcomes = {name: measured.outcome(name) for name in PUBLISHED_DIMENSIONS}
    return {
        name: outcome.value if isinstance(outcome, Measurement) else outcome.reason
        for name, outcome in outcomes.items()
    }


def write_golden() -> None:
    arrays: dict[str, np.ndarray] = {}
    arithmetics: dict[str, str] = {}
    facts: dict[str, object] = {
        "libraries": {
            name: version(name) for name in (*LIBRARIES, "numpy", "opencv-python-headless", "scipy")
        },
        "threads": torch.get_num_threads(),
    }
    all_keys: dict[str, list[str]] = {}
    all_values: dict[str, dict[str, float | str]] = {}
    with tempfile.TemporaryDirectory() as folder:
        store = Path(folder)
        for (model, suite), protocol in product(MODELS.items(), ("standard", "released")):
            measured = evaluation(model, suite, protocol, store)
            for view in views(model):
                name = f"{model}|{protocol}|{view}"
                all_keys[name] = keys(measured, view)
                arrays |= {f"{name}|{column}": array for column, array in columns(measured, view).items()}
            all_values[f"{model}|{protocol}"] = values(measured)
            arithmetics[model] = arithmetic(measured)
        measured = evaluation(CELLS, HERE / "read", "standard", store)
        for view in READ:
            name = f"{CELLS}|read|{view}"
            all_keys[name] = keys(measured, view)
            arrays |= {f"{name}|{column}": array for column, array in columns(measured, view).items()}
    np.savez_compressed(HERE / "golden.npz", **arrays)
    text = json.dumps(
        {**facts, "arithmetic": arithmetics, "values": all_values, "keys": all_keys},
        indent=1,
        ensure_ascii=False,
    )
    (HERE / "golden.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    torch.set_num_threads(1)
    sys.path.insert(0, str(HERE))
    write_golden()
