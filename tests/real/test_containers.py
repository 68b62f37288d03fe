"""Real ImageNet weights in the files of training, timm and torch: all give the same answers."""

from __future__ import annotations

import argparse
import csv
import warnings
from copy import deepcopy
from pathlib import Path

import pytest
import torch
from PIL import Image
from real.conftest import ARCHITECTURE
from safetensors.torch import save_file

from quba_check.models.loading import load_classifier
from quba_check.models.request import LoadRequest

CLASSES = tuple(map(str, range(1000)))
PREPARATION_OF_LITE0 = {"mean": (0.5, 0.5, 0.5), "std": (0.5, 0.5, 0.5)}
SHOWN = 3


def load(spec, **options):
    return load_classifier(str(spec), LoadRequest(classes=CLASSES, device="cpu", **options))


def inputs(classifier, photo_suite):
    transform = classifier.preprocessing.transform(crop=True)
    with (photo_suite / "photos.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))[:SHOWN]
    photos = [transform(Image.open(photo_suite / row["path"]).convert("RGB")) for row in rows]
    return classifier.normalise(torch.stack(photos).float().div(255))


@pytest.fixture(scope="module")
def plain(lite0_checkpoint, photo_suite):
    """Answers of the plain state dict on a few photos."""
    classifier = load(lite0_checkpoint, arch=ARCHITECTURE)
    images = inputs(classifier, photo_suite)
    with torch.inference_mode():
        return classifier, images, classifier.raw(images)


def of_timms_training(state: dict, folder: Path, module) -> Path:
    args = argparse.Namespace(model=ARCHITECTURE, img_size=224, crop_pct=0.875, **PREPARATION_OF_LITE0)
    torch.save({"state_dict_ema": state, "arch": ARCHITECTURE, "args": args}, folder / "last.pth.tar")
    return folder / "last.pth.tar"


def of_lightning(state: dict, folder: Path, module) -> Path:
    wrapped = {f"model._orig_mod.{name}": tensor for name, tensor in state.items()}
    saved = {"pytorch-lightning_version": "2.5.0", "state_dict": wrapped}
    torch.save(saved | {"hyper_parameters": {"arch": ARCHITECTURE}}, folder / "last.ckpt")
    return folder / "last.ckpt"


def contiguous(module: torch.nn.Module) -> torch.nn.Module:
    """A copy with weights as they were saved; a classifier may keep those of convolutions channels-last."""
    return deepcopy(module).to(memory_format=torch.contiguous_format)


def of_the_hub(state: dict, folder: Path, module) -> Path:
    from timm.models import save_for_hf

    save_for_hf(contiguous(module), folder / "hub", safe_serialization=True)
    return folder / "hub"


def next_to_a_config(state: dict, folder: Path, module) -> Path:
    of_the_hub(state, folder, module)
    weights = {name: tensor.contiguous() for name, tensor in state.items()}
    save_file(weights, folder / "hub" / "other.safetensors")
    return folder / "hub" / "other.safetensors"


@pytest.mark.parametrize("make", [of_timms_training, of_lightning, of_the_hub, next_to_a_config])
def test_checkpoints_that_say_what_they_are(make, plain, lite0_checkpoint, photo_suite, tmp_path):
    expected, images, answers = plain
    state = torch.load(lite0_checkpoint, weights_only=True)
    classifier = load(make(state, tmp_path, expected.module))
    assert torch.equal(inputs(classifier, photo_suite), images)
    with torch.inference_mode():
        assert torch.equal(classifier.raw(images), answers)


def test_torchscript(plain, tmp_path):
    expected, images, answers = plain
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.trace(expected.module, images[:1]).save(tmp_path / "lite0.pt")
    classifier = load(tmp_path / "lite0.pt")
    with torch.inference_mode():
        assert torch.allclose(classifier.raw(images), answers, atol=1e-4)
    assert classifier.facts.parameters == expected.facts.parameters


def test_an_exported_program(plain, tmp_path):
    expected, images, answers = plain
    torch.export.save(torch.export.export(contiguous(expected.module), (images[:1],)), tmp_path / "lite0.pt2")
    classifier = load(tmp_path / "lite0.pt2", trust_pickle=True)
    with torch.inference_mode():
        assert torch.allclose(classifier.raw(images), answers, atol=1e-4)
    assert classifier.facts.parameters == expected.facts.parameters
    assert classifier.preprocessing.input_size == (3, 224, 224)
