"""Classifiers of transformers: small ones of random weights, as `save_pretrained` writes them."""

import json
import os
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from support.cpu import HAS_AVX2
from support.hub_cache import snapshot as hub_snapshot
from support.loaded_models import load, refusal
from support.onnx_files import export, to_openvino

from quba_check.engine.cache_keys import library_versions, model_identity
from quba_check.models.preprocessing.config import PreprocessingConfig
from quba_check.suites.label_spaces import ClassList

transformers: Any = pytest.importorskip("transformers")
INDEX = "model.safetensors.index.json"
LABELS = {0: "cat", 1: "dog", 2: "owl"}
CLASSES = tuple(LABELS.values())
STATED = PreprocessingConfig(
    {"input_size": (3, 32, 32), "interpolation": "bilinear", "mean": (0.1,) * 3, "std": (1.0,) * 3},
    "prep.yaml",
    departs=True,
)
SIDES = [(97, 131), (300, 211), (224, 224), (37, 200), (601, 400), (64, 64)]


def vit(**changes: Any) -> tuple[Any, Any]:
    sizes = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 64}
    config = transformers.ViTConfig(**sizes, image_size=32, patch_size=8, **{"id2label": LABELS} | changes)
    return transformers.ViTForImageClassification(config), processor("ViT", size=square(32))


def convnext() -> tuple[Any, Any]:
    config = transformers.ConvNextConfig(hidden_sizes=[8, 8, 8, 8], depths=[1, 1, 1, 1], id2label=LABELS)
    return transformers.ConvNextForImageClassification(config), processor("ConvNext", size=edge(224))


def resnet() -> tuple[Any, Any]:
    config = transformers.ResNetConfig(
        embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1], layer_type="basic", id2label=LABELS
    )
    return transformers.ResNetForImageClassification(config), processor(
        "ConvNext", size=edge(64), crop_pct=0.9
    )


def swin() -> tuple[Any, Any]:
    config = transformers.SwinConfig(
        image_size=32,
        patch_size=4,
        embed_dim=8,
        depths=[1, 1],
        num_heads=[1, 2],
        window_size=4,
        id2label=LABELS,
    )
    own = processor("ViT", size=square(32), resample=3, image_mean=[0.485, 0.456, 0.406], image_std=[0.2] * 3)
    return transformers.SwinForImageClassification(config), own


def mobilenet() -> tuple[Any, Any]:
    config = transformers.MobileNetV2Config(image_size=96, depth_multiplier=0.35, id2label=LABELS)
    own = processor("MobileNetV2", size=edge(110), crop_size=square(96))
    return transformers.MobileNetV2ForImageClassification(config), own


def processor(kind: str, **options: Any) -> Any:
    return getattr(transformers, f"{kind}ImageProcessor")(**options)


def square(side: int) -> dict[str, int]:
    return {"height": side, "width": side}


def edge(side: int) -> dict[str, int]:
    return {"shortest_edge": side}


def write(folder: Path, model: Any, own: Any = None) -> Path:
    """Save a model and its image processor."""
    model.save_pretrained(folder)
    if own is not None:
        own.save_pretrained(folder)
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The files of a small ViT."""
    return write(tmp_path / "net", *vit())


def change(folder: Path, file: str = "config.json", **values: Any) -> Path:
    """Change keys of a JSON file."""
    content = json.loads((folder / file).read_text())
    (folder / file).write_text(json.dumps(content | values))
    return folder


def noise(height: int, width: int) -> Image.Image:
    rng = np.random.default_rng(height)
    return Image.fromarray(rng.integers(0, 256, (height, width, 3), dtype=np.uint8))


@pytest.mark.parametrize("made", [vit, convnext, resnet, swin, mobilenet])
def test_pixels_and_answers_are_those_of_the_processor_and_the_model(made: Any, tmp_path: Path) -> None:
    """A pixel differs by at most 2 of 255, of noise: the processor resizes with torchvision.

    On processors without AVX2 torchvision resizes in float32, so that more pixels round to the next level.
    """
    mean_difference = 0.03 if HAS_AVX2 else 0.25
    torch.manual_seed(0)
    model, own = made()
    classifier = load(write(tmp_path / "net", model.eval(), own), CLASSES)
    transform = classifier.preprocessing.transform(crop=True)
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (own.image_mean, own.image_std))
    for sides in SIDES:
        image = noise(*sides)
        theirs = own(image, return_tensors="pt")["pixel_values"]
        ours = transform(image)[None]
        difference = ((theirs * std + mean) * 255 - ours).abs()
        assert difference.max() <= 2.01
        assert difference.mean() <= mean_difference
        with torch.no_grad():
            expected = model(theirs).logits
        torch.testing.assert_close(classifier.raw(theirs), expected)
    assert "the output 'logits' is used" in classifier.notes
    assert [*classifier.files] == ["model.safetensors", "config.json", "preprocessor_config.json"]
    assert classifier.facts.parameters == sum(one.numel() for one in model.parameters())
    assert classifier.raw(torch.zeros(1, *classifier.preprocessing.input_size)).requires_grad is False


def test_another_version_of_transformers_has_another_key(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = load(folder, CLASSES)
    monkeypatch.setattr(sys.modules["transformers"], "__version__", "5.99.0")
    after = load(folder, CLASSES)
    assert before.fingerprint == after.fingerprint
    assert model_identity(after)["libraries"] == {"transformers": "5.99.0", **library_versions()}
    assert model_identity(before) != model_identity(after)


def test_outputs_are_put_into_the_suites_order(tmp_path: Path) -> None:
    model, own = vit()
    suite = ClassList.plain(("owl", "cat", "dog"))
    classifier = load(write(tmp_path / "net", model, own), suite.names, positions_of=suite.positions_of)
    scores = torch.tensor([[1.0, 2.0, 3.0]])
    assert classifier.select_classes(scores).tolist() == [[3, 1, 2]]
    assert f"as config.json of {tmp_path}/net states" in classifier.notes[-1]


def test_grey_images(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model, own = vit(num_channels=1)
    own = processor("ViT", size=square(32), image_mean=[0.4], image_std=[0.3])
    classifier = load(write(tmp_path / "net", model.eval(), own), CLASSES)
    assert (classifier.preprocessing.input_size, classifier.preprocessing.mean) == ((1, 32, 32), (0.4,))
    theirs = own(noise(90, 70).convert("L"), return_tensors="pt")["pixel_values"]
    ours = classifier.inputs(classifier.preprocessing.transform(crop=True)(noise(90, 70))[None])
    assert (ours - theirs).abs().max() * 255 * 0.3 <= 2.01


def test_a_repository_of_the_hub(tmp_path: Path, cache: Path) -> None:
    model, own = vit()
    write(hub_snapshot(cache, "someone/net"), model, own)
    first, second = (load(f"{prefix}someone/net", CLASSES) for prefix in ("hf:", "hf-hub:"))
    assert (
        first.fingerprint
        == second.fingerprint
        == load(write(tmp_path / "net", model, own), CLASSES).fingerprint
    )
    assert first.name == "someone/net"


def test_a_folder_without_a_processor(tmp_path: Path) -> None:
    folder = write(tmp_path / "net", vit()[0])
    assert refusal(folder, CLASSES) == (
        "net: holds no preprocessor_config.json. Save the image processor there, or state input_size, "
        "interpolation, mean, std in the file of --quba-preprocessing."
    )
    assert (
        load(folder, CLASSES, preprocessing=STATED).preprocessing.source
        == "prep.yaml (crop_pct: the suite's defaults)"
    )


def test_code_of_a_folder_runs_only_if_it_is_trusted(tmp_path: Path) -> None:
    model, own = vit()
    folder = write(tmp_path / "net", model, own)
    change(folder, auto_map={"AutoModelForImageClassification": "own.Own"})
    code = "from transformers import ViTForImageClassification\nclass Own(ViTForImageClassification): pass\n"
    (folder / "own.py").write_text(code)
    assert refusal(folder, CLASSES) == (
        "net: its folder brings code of its own (auto_map), which would run. If you trust it, give "
        "--quba-trust-pickle."
    )
    trusted = load(folder, CLASSES, trust_pickle=True)
    assert type(trusted.module).__name__ == "Own"
    assert "own.py" in trusted.files
    (folder / "own.py").write_text(code + "# edited\n")
    assert load(folder, CLASSES, trust_pickle=True).fingerprint != trusted.fingerprint


def test_models_that_cannot_be_judged(tmp_path: Path, snapshot: Any) -> None:
    model, own = vit()
    file = "preprocessor_config.json"
    a, b, c, d, e, f, g = (write(tmp_path / name, model, own) for name in "abcdefg")
    made = {
        "detector": change(a, architectures=["DetrForObjectDetection"]),
        "multi-label": change(b, problem_type="multi_label_classification"),
        "no weights": c,
        "weights of another model": d,
        "another processor": change(e, file, do_resize=False),
        "an unknown processor": change(f, file, image_processor_type="OwnImageProcessor"),
        "an unknown model": change(g, model_type="own"),
    }
    (tmp_path / "c" / "model.safetensors").unlink()
    state = load_file(tmp_path / "d" / "model.safetensors")
    state.pop("classifier.bias")
    save_file(state, tmp_path / "d" / "model.safetensors", {"format": "pt"})
    texts = {name: refusal(folder, CLASSES) for name, folder in made.items()}
    # After the colon stand the library's own words.
    assert {
        name: re.sub(r"s [\d.]+ (cannot load .*?:).*", r"s \1", text) for name, text in texts.items()
    } == snapshot


def write_shards(folder: Path) -> list[str]:
    """Save a model in several files with an index; return their names."""
    torch.manual_seed(0)
    model, own = vit()
    model.save_pretrained(folder, max_shard_size="20KB")
    own.save_pretrained(folder)
    index = json.loads((folder / INDEX).read_text())
    return sorted(set(index["weight_map"].values()))


def rename_first(folder: Path, name: str) -> None:
    """Let the index name another file than the first."""
    first = min(json.loads((folder / INDEX).read_text())["weight_map"].values())
    (folder / INDEX).write_text((folder / INDEX).read_text().replace(first, name))


def test_files_are_those_of_the_index(tmp_path: Path) -> None:
    names = write_shards(tmp_path / "net")
    save_file({"unused": torch.zeros(1)}, tmp_path / "net" / "unused.safetensors")
    assert len(names) > 1
    files = load(tmp_path / "net", CLASSES).files
    assert [name for name in files if name.endswith(".safetensors")] == names
    assert INDEX in files


def test_without_an_index_one_file_is_read(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "weights.safetensors")
    assert refusal(folder, CLASSES) == (
        "net: holds no weights. Allowed: model.safetensors, or the files of model.safetensors.index.json. "
        "Save it again with save_pretrained of transformers 5, which writes model.safetensors."
    )


@pytest.mark.parametrize(
    "kind",
    ["sub/x.safetensors", "../x.safetensors", "missing.safetensors", "/dev/zero", "x.bin", "a\0", ".."],
)
def test_an_index_names_files_of_the_folder(kind: str, tmp_path: Path) -> None:
    folder = tmp_path / "net"
    names = write_shards(folder)
    (folder / "sub").mkdir()
    for place in ("sub/x.safetensors", "../x.safetensors", "x.bin"):
        (folder / place).write_bytes((folder / names[0]).read_bytes())
    rename_first(folder, json.dumps(kind)[1:-1])
    assert refusal(folder, CLASSES) == unusable(kind)


def unusable(name: str) -> str:
    return (
        f"net: model.safetensors.index.json names unusable weights, got {name!r}. Allowed: regular "
        ".safetensors files of the folder, not links to others."
    )


@pytest.mark.parametrize("kind", ["fifo", "device", "link"])
def test_an_index_names_regular_files(kind: str, tmp_path: Path) -> None:
    folder = tmp_path / "net"
    first = folder / write_shards(folder)[0]
    first.rename(tmp_path / "outside.safetensors")
    match kind:
        case "fifo":
            os.mkfifo(first)
        case "device":
            first.symlink_to("/dev/zero")
        case _:
            first.symlink_to(tmp_path / "outside.safetensors")
    assert refusal(folder, CLASSES) == unusable(first.name)


def test_weights_in_a_cache_of_the_hub_are_links(tmp_path: Path, cache: Path) -> None:
    folder = hub_snapshot(cache, "someone/net")
    for name in write_shards(folder):
        blob = folder.parents[1] / "blobs" / name
        blob.parent.mkdir(exist_ok=True)
        (folder / name).rename(blob)
        (folder / name).symlink_to(blob)
    assert len(load("hf:someone/net", CLASSES).files) > 3


@pytest.mark.parametrize("place", ["adapter", "config"])
def test_weights_that_are_elsewhere(place: str, folder: Path) -> None:
    if place == "config":
        change(folder, transformers_weights="sub/model.safetensors")
    else:
        (folder / "adapter_config.json").write_text("{}")
    assert refusal(folder, CLASSES) == (
        "net: its weights may be elsewhere (adapter_config.json, or transformers_weights of config.json). "
        "Save the whole model with save_pretrained."
    )


def test_a_preprocessing_file_takes_the_place_of_a_processor(folder: Path) -> None:
    change(folder, "preprocessor_config.json", image_processor_type="OwnImageProcessor")
    assert load(folder, CLASSES, preprocessing=STATED).preprocessing.mean == (0.1,) * 3


def test_pixels_that_differ_are_refused(folder: Path) -> None:
    changes = {"image_processor_type": "EfficientNetImageProcessor", "rescale_offset": True}
    change(folder, "preprocessor_config.json", **changes, rescale_factor=1 / 127.5)
    assert re.fullmatch(
        "net: its EfficientNetImageProcessor prepares images in its own way; quba-check would give pixels "
        r"that differ by up to \d+ of 255\. .*",
        refusal(folder, CLASSES),
    )


def test_no_file_takes_the_place_of_bgr_images(folder: Path) -> None:
    change(folder, "preprocessor_config.json", do_flip_channel_order=True)
    assert refusal(folder, CLASSES, preprocessing=STATED) == (
        "net: its preprocessor_config.json asks for BGR images. Write a function whose forward flips the "
        "channels, and give --model=package.module:callable (docs/models.md)."
    )


@pytest.mark.parametrize("kind", ["onnx", "openvino"])
def test_an_export_next_to_the_files_takes_names_and_preprocessing(kind: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    model, own = resnet()
    folder = write(tmp_path / "net", model.eval(), own)
    (folder / "model.safetensors").unlink()
    path = export(Scores(model), folder / "model.onnx", sample=torch.zeros(2, 3, 64, 64))
    if kind == "openvino":
        path = to_openvino(path)
    suite = ClassList.plain(("owl", "cat", "dog"))
    classifier = load(path, suite.names, positions_of=suite.positions_of)
    assert classifier.preprocessing.describe() == "64 × 64, bicubic, crop 0.9, mean 0.5, std 0.5"
    assert classifier.head.columns == (2, 0, 1)
    images = torch.rand(2, 3, 64, 64)
    torch.testing.assert_close(classifier.raw(images), model(images).logits, atol=1e-4, rtol=1e-4)
    change(folder, architectures=["DetrForObjectDetection"])
    assert load(path, suite.names).head.columns is None


def test_an_export_next_to_a_config_that_cannot_be_used_is_refused(tmp_path: Path) -> None:
    model, own = resnet()
    folder = write(tmp_path, model.eval(), own)
    path = export(Scores(model), folder / "model.onnx", sample=torch.zeros(2, 3, 64, 64))
    change(folder, problem_type="multi_label_classification")
    assert "it answers several classes an image (multi-label)" in refusal(path, CLASSES)
    (folder / "config.json").write_text('{"architectures": ')
    assert refusal(path, CLASSES) == "model.onnx: config.json: it is not JSON."


class Scores(torch.nn.Module):
    """A model of transformers whose output is the tensor of its logits."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return the logits."""
        return self.model(images).logits


def test_the_package_is_missing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    assert refusal(folder, CLASSES) == (
        "net: a transformers model needs transformers, which is not installed. Install it: pip install "
        '"quba-check[transformers]".'
    )
