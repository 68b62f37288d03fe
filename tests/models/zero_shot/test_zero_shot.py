"""Zero-shot models of open_clip: answers by an independent computation, and exact error messages."""

import json
import shutil
import sys
from functools import partial

import pytest

pytest.importorskip("open_clip")

import open_clip
import torch
from safetensors.torch import save_file
from support.clip_files import CLIP, made, write_folder, write_weights
from support.hub_cache import snapshot
from support.loaded_models import images, prepared, refusal, size
from support.loaded_models import load as load_model
from torch.nn.functional import normalize

from quba_check.core.classes import Head, Prompts

THREE = ("apple", "red_brick", "cloud")
PROMPTS = Prompts(("a photo of a {}.", "{} in the rain"), {"cloud": "small cloud"})
PARAMETERS = "parameters: image tower alone; text weights are fixed"
CANNOT_LOAD = "open_clip cannot load it (without a network give open_clip:NAME/WEIGHTS_FILE): "


load = partial(load_model, classes=THREE, image_size=16)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with a tiny CLIP; nothing may be written into it."""
    root = tmp_path_factory.mktemp("zero-shot") / "tiny"
    write_folder(root)
    return root


@pytest.fixture
def tiny(folder):
    return f"open_clip:local-dir:{folder}"


IMAGES = images(4, 16)


@pytest.mark.parametrize("kind", ["clip", "siglip", "coca"])
def test_logits_are_those_of_open_clip(tmp_path, kind):
    model = write_folder(tmp_path / kind, kind)
    classifier = load(f"open_clip:local-dir:{tmp_path / kind}", prompts=PROMPTS)

    tokenizer = open_clip.get_tokenizer(f"local-dir:{tmp_path / kind}")
    with torch.no_grad():
        of_classes = []
        for name in ("apple", "red brick", "small cloud"):
            texts = tokenizer([f"a photo of a {name}.", f"{name} in the rain"])
            of_classes.append(normalize(normalize(model.encode_text(texts), dim=-1).mean(dim=0), dim=0))
        cosines = model.encode_image(IMAGES, normalize=True) @ torch.stack(of_classes).T
        bias = 0 if getattr(model, "logit_bias", None) is None else model.logit_bias
        expected = model.logit_scale.exp() * cosines + bias

    torch.testing.assert_close(classifier.raw(IMAGES), expected, atol=1e-4, rtol=1e-5)
    assert expected.std(dim=0).min() > 0.01  # the outputs differ between images
    assert classifier.outputs == "logits"


def test_text_weights_are_those_that_open_clip_builds(folder, tmp_path):
    wnids = ("n01440764", "n02007558", "n04507155")
    classifier = load(f"open_clip:local-dir:{folder}", classes=wnids)
    model = made("clip")
    built = open_clip.build_zero_shot_classifier(
        model,
        open_clip.get_tokenizer(f"local-dir:{folder}"),
        ["tench", "flamingo", "umbrella"],
        open_clip.OPENAI_IMAGENET_TEMPLATES,
    )
    torch.testing.assert_close(classifier.module.text_weights, built.T, atol=1e-6, rtol=1e-5)
    assert classifier.notes[1] == (
        "zero-shot texts: open_clip's names for ImageNet in open_clip's 80 templates for ImageNet"
    )


def test_what_is_known_of_it(tiny):
    classifier = load(tiny)
    tower = made("clip").visual
    assert classifier.name == "tiny"
    assert classifier.facts.parameters == classifier.facts.trainable == size(tower)
    assert classifier.no_gradient == ""
    halves = {"mean": (0.5,) * 3, "std": (0.5,) * 3, "interpolation": "bicubic"}
    assert classifier.preprocessing == prepared(
        input_size=(3, 16, 16), crop_pct=1.0, crop_mode="squash", source="open_clip's tiny", **halves
    )
    assert classifier.notes == (
        PARAMETERS,
        "zero-shot texts: the classes' own names in 'a photo of a {}.', as the suite's manifest has no "
        "prompts.templates",
    )


def test_the_texts_are_noted(tiny):
    notes = load(tiny, prompts=PROMPTS).notes
    assert notes[1] == (
        "zero-shot texts: the classes' own names (2), the suite's names (1) in the suite's 2 templates"
    )
    same = load(tiny, prompts=Prompts(names={"cloud": "apple"})).notes
    assert same[2] == "classes of the same name cannot be distinguished: apple"


def test_gradients_reach_the_images(tiny):
    classifier = load(tiny)
    pixels = IMAGES.clone().requires_grad_(True)
    torch.nn.functional.cross_entropy(classifier.raw(pixels), torch.tensor([0, 1, 2, 0])).backward()
    assert (pixels.grad.flatten(1) != 0).any(dim=1).all()
    assert not any(parameter.requires_grad for parameter in classifier.module.parameters())


def test_half_precision_does_not_reach_the_scaled_product(tiny):
    whole = load(tiny)
    half = load(tiny, precision="bf16")
    answers = half.raw(IMAGES)
    torch.testing.assert_close(answers, whole.raw(IMAGES), atol=0.5, rtol=0)
    assert (answers.bfloat16().float() != answers).any()


def test_the_fingerprint_is_of_weights_and_texts(folder, tmp_path):
    spec = f"open_clip:local-dir:{folder}"
    first = load(spec)
    shutil.copytree(folder, tmp_path / "elsewhere")
    assert load(f"open_clip:local-dir:{tmp_path / 'elsewhere'}").fingerprint == first.fingerprint
    write_folder(tmp_path / "other", seed=1)
    others = [
        load(spec, prompts=PROMPTS),
        load(spec, classes=("apple", "cloud", "red_brick")),
        load(f"open_clip:local-dir:{tmp_path / 'other'}"),
    ]
    assert len({first.fingerprint, *(other.fingerprint for other in others)}) == 4


def test_text_weights_are_computed_once(folder, tmp_path, monkeypatch):
    monkeypatch.setattr("quba_check.models.zero_shot.text_weights.CLASSES_PER_PART", 2)
    spec = f"open_clip:local-dir:{folder}"
    messages = []
    first = load(spec, cache=tmp_path, prompts=PROMPTS, progress=messages.append)
    assert messages == ["class texts, 0 of 6 read", "class texts, 4 of 6 read"]
    _, part = sorted((tmp_path / "texts").glob("*/*.safetensors"))
    written = part.read_bytes()

    def unwanted(*_, **__):
        raise AssertionError("the text weights are computed again")

    with monkeypatch.context() as patched:
        patched.setattr("quba_check.models.zero_shot.loading.text_weights", unwanted)
        again = load(spec, cache=tmp_path, prompts=PROMPTS)
    assert torch.equal(again.module.text_weights, first.module.text_weights)
    assert (again.fingerprint, again.checksum) == (first.fingerprint, first.checksum)

    part.write_bytes(written[:-3])
    repaired = load(spec, cache=tmp_path, prompts=PROMPTS, progress=messages.append)
    assert torch.equal(repaired.module.text_weights, first.module.text_weights)
    assert messages[2:] == ["class texts, 4 of 6 read"]
    assert part.read_bytes() == written
    for spoilt in (
        {"other": torch.zeros(2, 8)},
        {"text_weights": torch.full((2, 8), torch.nan)},
        {"text_weights": torch.zeros(1, 8)},
        {"text_weights": torch.zeros(2, 8).bfloat16()},
    ):
        save_file(spoilt, part)
        assert torch.equal(
            load(spec, cache=tmp_path, prompts=PROMPTS).module.text_weights, first.module.text_weights
        )
        assert part.read_bytes() == written
    names = [path.name for path in part.parent.iterdir()]
    assert sorted(names) == ["00000.safetensors", "00002.safetensors", "lock"]


def test_text_weights_are_not_stored_if_the_folder_is_not_writable(folder, tmp_path):
    (tmp_path / "file").write_text("in the way")
    assert load(f"open_clip:local-dir:{folder}", cache=tmp_path / "file").head.classes == 3


@pytest.fixture
def tiny_architecture(tmp_path, monkeypatch):
    """An architecture `Tiny-1` that open_clip knows by name, and a file with weights for it."""
    from open_clip import factory

    monkeypatch.setattr(factory, "_MODEL_CONFIGS", dict(factory._MODEL_CONFIGS))
    monkeypatch.setattr(factory, "_MODEL_CONFIG_PATHS", list(factory._MODEL_CONFIG_PATHS))
    (tmp_path / "Tiny-1.json").write_text(json.dumps(CLIP), encoding="utf-8")
    open_clip.add_model_config(tmp_path / "Tiny-1.json")
    return write_weights(made("clip"), tmp_path / "best.safetensors")


def test_a_name_and_a_weights_file(folder, tiny_architecture):
    classifier = load(f"open_clip:Tiny-1/{tiny_architecture}")
    assert classifier.name == "Tiny-1-best"
    # The file states no preprocessing, so open_clip's default for CLIP applies.
    assert classifier.preprocessing.mean == open_clip.OPENAI_DATASET_MEAN
    torch.testing.assert_close(classifier.raw(IMAGES), load(f"open_clip:local-dir:{folder}").raw(IMAGES))


@pytest.fixture
def tagged(tiny_architecture, monkeypatch):
    """The tag `mine` of `Tiny-1`, trained with QuickGELU, of a file; and a tag that needs a network."""
    from open_clip import pretrained

    tag = {"file": str(tiny_architecture), "quick_gelu": True, "mean": (0.5,) * 3, "std": (0.25,) * 3}
    monkeypatch.setitem(
        pretrained._PRETRAINED, "Tiny-1", {"mine": tag, "lost": {"hf_hub": "nobody/nothing/"}}
    )
    return tiny_architecture


def test_a_name_and_a_tag(tagged):
    classifier = load("open_clip:Tiny-1/mine")
    assert classifier.name == "Tiny-1-mine"
    assert classifier.preprocessing.std == (0.25, 0.25, 0.25)
    assert classifier.notes[2] == "Tiny-1-mine computes with QuickGELU, as its weights were trained"
    exact = load(f"open_clip:Tiny-1/{tagged}")
    assert not torch.allclose(classifier.raw(IMAGES), exact.raw(IMAGES), atol=1e-3)


@pytest.fixture
def offline_hub(cache):
    """A Hugging Face cache with the tiny CLIP as `someone/tiny`, and no network."""
    write_folder(snapshot(cache, "someone/tiny"))


def test_a_model_of_the_hub(offline_hub, folder):
    classifier = load("open_clip:hf-hub:someone/tiny")
    assert classifier.name == "tiny"
    assert classifier.fingerprint == load(f"open_clip:local-dir:{folder}").fingerprint


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        *((name, "") for name in ("hf-hub:someone/else", "Tiny-1/lost")),  # no network
        *((name, "RuntimeError: ") for name in ("Tiny-2/mine", "Tiny-1/mime")),
    ],
)
def test_a_model_that_open_clip_cannot_load(offline_hub, tagged, name, reason):
    assert refusal(f"open_clip:{name}").startswith(f"open_clip:{name}: {CANNOT_LOAD}{reason}")


def test_weights_of_another_model(tiny_architecture):
    write_weights(made("coca"), tiny_architecture)
    spec = f"open_clip:Tiny-1/{tiny_architecture}"
    assert refusal(spec) == f"{spec}: {CANNOT_LOAD}RuntimeError: Error(s) in loading state_dict for CLIP:"


class Harmful:
    def __reduce__(self):
        return print, ("run",)


def test_weights_that_would_run_code(tiny_architecture, capsys):
    path = tiny_architecture.with_suffix(".pt")
    torch.save({"state_dict": Harmful()}, path)
    assert refusal(f"open_clip:Tiny-1/{path}") == (
        f"open_clip:Tiny-1/{path}: would run code when it is read; nothing of it was run. "
        "If you trust whoever made the file: --quba-trust-pickle."
    )
    assert capsys.readouterr().out == ""


def test_without_open_clip(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "open_clip", None)
    assert refusal(f"open_clip:local-dir:{folder}") == (
        f"open_clip:local-dir:{folder}: a zero-shot model needs open_clip_torch, which is not installed. "
        'Install it: pip install "quba-check[clip]".'
    )


@pytest.fixture
def changed(folder, tmp_path):
    """Return a function that copies the tiny CLIP and changes a part of its config."""

    def change(part, value):
        shutil.copytree(folder, tmp_path / "tiny")
        config = json.loads((tmp_path / "tiny" / "open_clip_config.json").read_text(encoding="utf-8"))
        config["model_cfg"][part] |= value
        (tmp_path / "tiny" / "open_clip_config.json").write_text(json.dumps(config), encoding="utf-8")
        return f"open_clip:local-dir:{tmp_path / 'tiny'}"

    return change


@pytest.mark.parametrize(
    ("part", "value", "got"),
    [
        ("text_cfg", {"tokenizer_kwargs": {"trust_remote_code": True}}, "trust_remote_code"),
        ("vision_cfg", {"timm_model_name": "hf-hub:someone/net"}, "hf-hub:someone/net"),
    ],
)
def test_a_config_that_asks_for_code(changed, part, value, got):
    spec = changed(part, value)
    assert refusal(spec) == (
        f"{spec}: its open_clip_config.json asks for code from elsewhere, got '{got}'; nothing of it was "
        "run. If you trust whoever made it: --quba-trust-pickle."
    )


def test_a_tokenizer_without_its_package(changed, monkeypatch):
    spec = changed("text_cfg", {"hf_tokenizer_name": "someone/words"})
    monkeypatch.setitem(sys.modules, "transformers", None)
    assert refusal(spec).startswith(f"{spec}: its text tokenizer cannot be loaded: ModuleNotFoundError: ")


def test_it_answers_in_the_classes_of_a_restricted_suite(folder):
    spec = f"open_clip:local-dir:{folder}"
    plain = load(spec)
    restricted = load(spec, head=Head(3, columns=(7, 0, 4), of=10))
    assert restricted.logits(restricted.raw(IMAGES)).equal(plain.logits(plain.raw(IMAGES)))
    assert (restricted.fingerprint, restricted.notes) == (plain.fingerprint, plain.notes)
