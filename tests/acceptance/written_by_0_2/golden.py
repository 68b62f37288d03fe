"""Writes `golden.npz` and `golden.json`; run with version 0.2.0: `PYTHONPATH=VERSION_0_2_0 python golden.py`.

With the argument `data` it also draws the images and fits the network again, which changes every value.
"""

import hashlib
import json
import shutil
import sys
import tempfile
from dataclasses import fields
from importlib.metadata import version
from itertools import product
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors.torch import save_file

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
CLASSES = ("amber", "brick", "cloud", "dune", "elm", "fern")
HEADER = f"schema: 1\nname: cells\nclasses: [{', '.join(CLASSES)}]\nsets:\n"
MANIFESTS = {
    "data": f"""{HEADER}\
  clean: {{reader: folder, path: val}}
  corruptions: {{generate: from clean}}
  shifts:
    night: {{reader: folder, path: night}}
  mixed_same: {{reader: folder, path: mixed_same, prepared: true}}
  mixed_rand: {{reader: folder, path: mixed_rand, prepared: true}}
  cue_conflict: {{reader: cue-conflict, path: cc, prepared: true}}
""",
    "read": f"{HEADER}  corruptions: {{reader: folder, path: c, prepared: true}}\n",
}
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


def drawing(
    rng: np.random.Generator, label: int, size: tuple[int, int], background: int | None = None
) -> Image.Image:
    """Waves of a class in its colour on a background of its own or another class, with some noise."""
    width, height = size
    y, x = np.mgrid[0:height, 0:width] / 100
    angle = np.pi * label / 6 + rng.normal(0, 0.1)
    frequency = 4 + 2 * (label % 3)
    wave = np.sin(2 * np.pi * frequency * (x * np.cos(angle) + y * np.sin(angle)) + rng.uniform(0, 6))
    tone = np.array([np.sin(label + shift) for shift in (0, 2, 4)])
    behind = label if background is None else background
    ground = 0.32 * np.array([np.cos(2.0 * behind + shift) for shift in (0, 2, 4)])
    mask = ((x - width / 200) ** 2 + (y - height / 200) ** 2 < 0.2)[..., None]
    colour = 0.5 + ground + np.where(mask, 0.15 * wave[..., None] * tone, 0.05 * wave[..., None])
    noise = 0.008 * rng.standard_normal((height, width, 1))
    return Image.fromarray((255 * (colour + noise).clip(0, 1)).astype(np.uint8))


def write_data() -> None:
    """Draw the images: JPEG of several kinds and PNG of several modes, 96 to 160 px."""
    rng = np.random.default_rng(12)
    for folder in ("data", "read"):
        shutil.rmtree(HERE / folder, ignore_errors=True)
    kinds = [
        ("jpg", "RGB", {"quality": 90}),
        ("jpg", "RGB", {"quality": 80, "progressive": True}),
        ("jpg", "L", {"quality": 85}),
        ("png", "P", {"optimize": True}),
        ("jpg", "RGB", {"quality": 75, "subsampling": 0}),
        ("jpg", "CMYK", {"quality": 70}),
        ("jpg", "RGB", {"quality": 60, "subsampling": 1}),
        ("png", "L", {"optimize": True}),
    ]
    for number in range(48):
        label = number % 6
        size = tuple(int(side) for side in rng.integers(96, 161, 2))
        suffix, mode, options = kinds[(number // 6) % len(kinds)]
        _save(
            drawing(rng, label, size).convert(mode),
            f"data/val/{CLASSES[label]}/{number:02d}.{suffix}",
            options,
        )
    for number in range(12):
        label = number % 6
        image = drawing(rng, label, (112, 100)).point(lambda level: level // 2)
        _save(image, f"data/night/{CLASSES[label]}/{number:02d}.jpg", {"quality": 80})
        for name in ("mixed_same", "mixed_rand"):
            other = label if name == "mixed_same" else (label + 1 + number // 6) % 6
            _save(
                drawing(rng, label, (48, 48), other),
                f"data/{name}/{CLASSES[label]}/{number:02d}.jpg",
                {"quality": 85},
            )
        texture = (label + 1 + number // 6) % 6
        mixed = Image.blend(drawing(rng, label, (48, 48)), drawing(rng, texture, (48, 48)), 0.5)
        _save(mixed, f"data/cc/{CLASSES[label]}/{CLASSES[label]}{number}-{CLASSES[texture]}{number}.png", {})
        for view in READ:
            path = f"read/c/{view.corruption}/{view.severity}/{CLASSES[label]}/{number:02d}.jpg"
            _save(drawing(rng, label, (48, 48)), path, {"quality": 40})


def _save(image: Image.Image, path: str, options: dict[str, object]) -> None:
    (HERE / path).parent.mkdir(parents=True, exist_ok=True)
    image.save(HERE / path, **options)


def write_network() -> None:
    """Fit the last layer of the network to the labels with much ridge, so that it is sometimes wrong."""
    from cells import Cells

    generator = torch.Generator().manual_seed(5)
    model = Cells().eval()
    for parameter in model.parameters():
        parameter.data = torch.randn(parameter.shape, generator=generator) / parameter[0].numel() ** 0.5
    model.norm.weight.data.fill_(1)
    model.norm.bias.data.normal_(0, 0.3, generator=generator)
    save_file(model.state_dict(), HERE / "cells.safetensors")
    with tempfile.TemporaryDirectory() as folder:
        measured = evaluation(CELLS, HERE / "data", "standard", Path(folder))
        prepare = measured.classifier.preprocessing.transform(crop=True)
        examples = measured.suite.examples(CLEAN)
        images = torch.stack([prepare(measured.suite.image(example)) for example in examples])
        features: list[torch.Tensor] = []
        model.head.register_forward_pre_hook(lambda _, inputs: features.append(inputs[0].detach().double()))
        with torch.no_grad():
            model(measured.classifier.normalise(images.float() / 255))
    label = torch.tensor([example.label for example in examples])
    x = features[0] - features[0].mean(0)
    target = torch.nn.functional.one_hot(label, 6).double() - 1 / 6
    ridge = x.T @ x + 3 * len(x) * x.var() * torch.eye(x.shape[1], dtype=torch.float64)
    weight = 20 * torch.linalg.solve(ridge, x.T @ target).T
    with torch.no_grad():
        model.head.weight.copy_(weight)
        model.head.bias.copy_(-weight @ features[0].mean(0))
    save_file(model.state_dict(), HERE / "cells.safetensors")


if __name__ == "__main__":
    torch.set_num_threads(1)
    sys.path.insert(0, str(HERE))
    if sys.argv[1:] == ["data"]:
        write_data()
        for folder, manifest in MANIFESTS.items():
            (HERE / folder / "quba-data.yaml").write_text(manifest, encoding="utf-8")
        write_network()
    write_golden()
