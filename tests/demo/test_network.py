from pathlib import Path

import pytest
import torch

import quba_check.demo
from quba_check.demo import CLASSES, DEMO_MODELS
from quba_check.demo.network import PREPROCESSING, DemoNetwork, demo_module, network_of
from quba_check.demo.renditions import rendition
from quba_check.demo.suite import PictureSpec, pictures
from tools.demo_training.training import normalised

HERE = Path(quba_check.demo.__file__).parent


def shown(chosen: list[PictureSpec]) -> torch.Tensor:
    """Images of the suite, (N, 3, S, S) in [0, 1]."""
    images = [rendition(p.seed, p.index, p.shape, p.texture, p.background, p.style).image for p in chosen]
    return torch.stack([torch.from_numpy(image) for image in images]).permute(0, 3, 1, 2) / 255


@pytest.fixture(scope="module")
def top1() -> dict[str, dict[str, list[str]]]:
    """For both models and each set: the class they choose for each image, in the order of `pictures`."""
    answers: dict[str, dict[str, list[str]]] = {name: {} for name in DEMO_MODELS}
    sets: dict[str, list[PictureSpec]] = {}
    for picture in pictures():
        sets.setdefault(picture.path.split("/")[0], []).append(picture)
    for folder in ("clean", "mixed_same", "mixed_rand", "cue_conflict"):
        images = normalised(shown(sets[folder]))
        for name in DEMO_MODELS:
            with torch.inference_mode():
                chosen = demo_module(name)(images).argmax(dim=1).tolist()
            answers[name][folder] = [CLASSES[k] for k in chosen]
    return answers


def accuracy(answers: list[str], folder: str) -> float:
    labels = [p.shape for p in pictures() if p.path.startswith(f"{folder}/")]
    return sum(a == b for a, b in zip(answers, labels, strict=True)) / len(labels)


@pytest.mark.parametrize("name", DEMO_MODELS)
def test_a_shipped_model_is_ready_to_use(name: str) -> None:
    module = demo_module(name)
    assert not module.training
    assert module.quba_config == PREPROCESSING
    assert sum(parameter.numel() for parameter in module.parameters()) == 46_954
    assert module(torch.zeros(2, 3, 48, 48)).shape == (2, 10)


@pytest.mark.parametrize(("name", "stated"), [("demo", 0.975), ("demo-textured", 0.960)])
def test_accuracy_is_as_stated(top1: dict[str, dict[str, list[str]]], name: str, stated: float) -> None:
    assert accuracy(top1[name]["clean"], "clean") == pytest.approx(stated, abs=0.02)


def test_only_the_textured_model_needs_the_background(top1: dict[str, dict[str, list[str]]]) -> None:
    drops = {
        name: accuracy(answers["mixed_same"], "mixed_same") - accuracy(answers["mixed_rand"], "mixed_rand")
        for name, answers in top1.items()
    }
    assert abs(drops["demo"]) < 0.05
    assert drops["demo-textured"] > 0.3


def test_only_the_textured_model_goes_by_texture(top1: dict[str, dict[str, list[str]]]) -> None:
    cues = [(p.shape, p.texture) for p in pictures() if p.path.startswith("cue_conflict/")]
    bias = {}
    for name, answers in top1.items():
        by_shape = sum(a == shape for a, (shape, _) in zip(answers["cue_conflict"], cues, strict=True))
        by_texture = sum(a == texture for a, (_, texture) in zip(answers["cue_conflict"], cues, strict=True))
        bias[name] = by_shape / (by_shape + by_texture)
    assert bias["demo"] > 0.95
    assert bias["demo-textured"] < 0.1


def test_what_ships_is_small() -> None:
    sizes = {path.name: path.stat().st_size for path in HERE.iterdir() if path.is_file()}
    assert all(sizes[f"{name}.safetensors"] < 300_000 for name in DEMO_MODELS)
    assert sum(sizes.values()) < 1_000_000


def test_width_scales_the_network() -> None:
    narrow = DemoNetwork(width=8)
    assert sum(parameter.numel() for parameter in narrow.parameters()) < 15_000
    copy = network_of(dict(narrow.state_dict()))
    image = torch.rand(1, 3, 48, 48)
    assert torch.equal(copy(image), narrow.eval()(image))


def test_normalisation_by_hand() -> None:
    assert normalised(torch.full((1, 3, 1, 1), 0.75)).flatten().tolist() == [1.0, 1.0, 1.0]
