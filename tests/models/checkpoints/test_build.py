"""Checkpoints of every kind, in files written by the libraries themselves."""

import argparse
import json
import re

import pytest
import timm
import torch
from safetensors.torch import save_file
from support.loaded_models import OR_CODE, load, refusal, size
from timm.models import save_for_hf
from timm.utils import CheckpointSaver, ModelEmaV3
from torch import nn
from torch.optim.swa_utils import AveragedModel

ARCH = "mobilenetv3_small_050"


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("quba_check.models.checkpoints.timm_architectures.POPULAR", ())


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return timm.create_model(ARCH, num_classes=10)


def compiled(model):
    return torch.compile(model, backend="eager")


def same(classifier, model):
    ours = classifier.module.state_dict()
    theirs = model.state_dict()
    return ours.keys() == theirs.keys() and all(torch.equal(ours[name], theirs[name]) for name in ours)


@pytest.mark.parametrize(
    ("wrap", "removed"),
    [
        (nn.DataParallel, "'module.' was"),
        (compiled, "'_orig_mod.' was"),
        (lambda model: nn.DataParallel(compiled(model)), "'module.' and '_orig_mod.' were"),
    ],
)
def test_wrapped_models(model, wrap, removed):
    torch.save(wrap(model).state_dict(), "net.pth")
    classifier = load("net.pth", arch=ARCH)
    assert same(classifier, model)
    assert classifier.notes == (f"{removed} removed from the weights' names",)


def test_a_checkpoint_of_timms_training_script(model, tmp_path, snapshot):
    args = argparse.Namespace(
        model=ARCH, img_size=64, mean=(0.4, 0.4, 0.4), std=None, crop_pct=0.9, input_size=None
    )
    average = ModelEmaV3(model)
    with torch.no_grad():
        for tensor in average.module.parameters():
            tensor.add_(1)
    saver = CheckpointSaver(
        model,
        torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9),
        args=args,
        model_ema=average,
        checkpoint_dir=str(tmp_path),
        recovery_dir=str(tmp_path),
    )
    saver.save_checkpoint(3, metric=0.5)
    classifier = load("model_best.pth.tar")
    assert classifier.name == "model_best"
    assert same(classifier, average.module)
    assert classifier.notes == snapshot


def test_a_checkpoint_of_torchvisions_reference_scripts(snapshot):
    import torchvision

    torch.manual_seed(0)
    model = torchvision.models.resnet18(num_classes=10)
    average = AveragedModel(model)
    args = argparse.Namespace(
        model="resnet18", val_resize_size=256, val_crop_size=224, interpolation="bilinear"
    )
    torch.save({"model": model.state_dict(), "model_ema": average.state_dict(), "args": args}, "net.pth")
    classifier = load("net.pth")
    assert same(classifier, model)
    assert classifier.notes[:3] == snapshot
    assert (classifier.preprocessing.crop_pct, classifier.preprocessing.interpolation) == (0.875, "bilinear")


def test_a_checkpoint_of_lightning(model, snapshot):
    state = {f"net.{name}": tensor for name, tensor in model.state_dict().items()}
    torch.save(
        {
            "epoch": 2,
            "pytorch-lightning_version": "2.5.0",
            "state_dict": {**state, "criterion.weight": torch.ones(10)},
            "optimizer_states": [{"state": {}, "param_groups": []}],
            "hyper_parameters": {"model_name": ARCH, "lr": 0.1},
        },
        "last.ckpt",
    )
    classifier = load("last.ckpt")
    assert same(classifier, model)
    assert classifier.notes == snapshot


def test_two_models_in_one_checkpoint(model):
    state = model.state_dict().items()
    torch.save({f"ema_{k}.{name}": tensor for k in (1, 2) for name, tensor in state}, "net.pt")
    assert refusal("net.pt", arch=ARCH) == (
        "net.pt: holds several models, under 'ema_1.', 'ema_2.'. Save the one to judge in a file of its own."
    )


def test_the_option_overrides_the_checkpoint(model):
    torch.save({"arch": "resnet18", "state_dict": model.state_dict()}, "net.pt")
    assert load("net.pt", arch=ARCH).notes == (
        f"--quba-arch={ARCH} is used, though 'arch' in net.pt names resnet18",
        "weights were taken from 'state_dict'",
    )


@pytest.mark.parametrize(
    "argument", [{"checkpoint_path": "other.pth"}, {"pretrained": True}, {"pretrained_cfg_overlay": {}}]
)
def test_a_checkpoint_cannot_name_other_weights(model, argument):
    args = argparse.Namespace(model_kwargs=argument)
    torch.save({"arch": ARCH, "state_dict": model.state_dict(), "args": args}, "net.pth")
    assert same(load("net.pth"), model)


def test_an_architecture_that_timm_does_not_have(model):
    torch.save({"arch": "my_own_net", "state_dict": model.state_dict()}, f"{ARCH}.pt")
    assert refusal(f"{ARCH}.pt") == (
        f"{ARCH}.pt: holds weights of 'my_own_net', which timm {timm.__version__} lacks, so name their "
        f"architecture in timm, --quba-arch=NAME, or {OR_CODE} Its keys fit --quba-arch={ARCH}."
    )


def test_a_vision_transformer_trained_at_another_size():
    torch.manual_seed(0)
    model = timm.create_model("test_vit", num_classes=10, img_size=96)
    args = argparse.Namespace(model="test_vit", img_size=96)
    torch.save({"state_dict": model.state_dict(), "args": args}, "net.pt")
    classifier = load("net.pt")
    assert same(classifier, model)
    assert classifier.preprocessing.input_size == (3, 96, 96)
    assert classifier.raw(torch.zeros(1, 3, 96, 96)).shape == (1, 10)


@pytest.fixture
def hub(model, tmp_path):
    config = {"pretrained_cfg": {**model.pretrained_cfg, "mean": (0.4, 0.4, 0.4)}}
    save_for_hf(model, tmp_path / "hub", model_config=config, safe_serialization=True)
    return tmp_path / "hub"


@pytest.mark.parametrize("save", [torch.save, save_file], ids=["pickle", "safetensors"])
def test_weights_of_one_channel_take_grey_images(save):
    grey = timm.create_model(ARCH, num_classes=10, in_chans=1)
    save(grey.state_dict(), "net.safetensors" if save is save_file else "net.pt")
    classifier = load("net.safetensors" if save is save_file else "net.pt", arch=ARCH)
    assert same(classifier, grey)
    assert classifier.preprocessing.input_size == (1, 224, 224)
    assert classifier.preprocessing.mean == pytest.approx((0.4589,), abs=1e-4)  # of ImageNet's three, by luma


def test_a_folder_of_the_hugging_face_hub(hub, model):
    classifier = load("hub")
    assert same(classifier, model)
    assert classifier.name == "hub"
    assert classifier.notes == ()
    assert classifier.preprocessing.mean == (0.4, 0.4, 0.4)
    assert classifier.preprocessing.source == "config.json of hub"
    (hub / "model.safetensors").unlink()
    torch.save(model.state_dict(), hub / "pytorch_model.bin")
    assert same(load("hub"), model)


def test_a_file_with_a_config_next_to_it(hub, model):
    classifier = load("hub/model.safetensors")
    assert classifier.notes == (
        f"the architecture is {ARCH}, as config.json of the folder of hub/model.safetensors states",
    )
    assert classifier.preprocessing.mean == (0.4, 0.4, 0.4)
    named = load("hub/model.safetensors", arch=ARCH)
    assert (named.preprocessing.mean, named.notes) == ((0.4, 0.4, 0.4), ())


def test_messages_of_folders(hub):
    config = json.loads((hub / "config.json").read_text())
    assert refusal("hub", classes="abc") == "hub: the model has 10 classes, the suite has 3."
    (hub / "config.json").write_text(json.dumps(config | {"architecture": "qqqqqqqqqq"}))
    assert refusal("hub").startswith("hub: config.json: unknown architecture 'qqqqqqqqqq'. ")
    (hub / "config.json").write_text(json.dumps(config))
    (hub / "model.safetensors").unlink()
    assert refusal("hub") == (
        "hub: holds no weights. Allowed: model.safetensors, pytorch_model.bin, pytorch_model.pth, model.pth."
    )


FIRST_RELEASE = (
    (r"^stem\.", "downsample_layers.0."),
    (r"^stages\.(\d)\.downsample\.", r"downsample_layers.\1."),
    (r"^stages\.(\d)\.blocks\.(\d)", r"stages.\1.\2"),
    ("conv_dw", "dwconv"),
    (r"mlp\.fc", "pwconv"),
    (r"^head\.norm\.", "norm."),
    (r"^head\.fc\.", "head."),
)
"""ConvNeXt's names as its authors published them, from timm's."""


def test_names_of_a_first_release_are_converted_as_timm_does():
    torch.manual_seed(0)
    model = timm.create_model("test_convnext", num_classes=10)
    state = {}
    for name, tensor in model.state_dict().items():
        for timms, theirs in FIRST_RELEASE:
            name = re.sub(timms, theirs, name)
        state[name] = tensor
    torch.save({"model": state}, "net.pth")
    classifier = load("net.pth", arch="test_convnext")
    assert same(classifier, model)
    assert classifier.notes == (
        "weights were taken from 'model'",
        "names of the weights were converted to timm's, as timm does for test_convnext",
    )


def test_position_embeddings_are_not_resampled(monkeypatch):
    monkeypatch.setattr("quba_check.models.checkpoints.build.fitting_architecture", lambda *_, **__: None)
    torch.save(timm.create_model("test_vit", num_classes=10, img_size=96).state_dict(), "net.pt")
    assert refusal("net.pt", arch="test_vit") == (
        "net.pt: its keys do not fit test_vit: 1 of another shape "
        "(pos_embed (1, 37, 64) instead of (1, 101, 64)). "
        f"For a model that timm lacks, {OR_CODE}"
    )


def test_weights_of_another_kind_of_number(model):
    state = model.state_dict()
    for dtype in (torch.int8, torch.complex64, torch.bool):
        torch.save(state | {"classifier.weight": state["classifier.weight"].to(dtype)}, "net.pt")
        assert refusal("net.pt", arch=ARCH) == (
            f"net.pt: its tensor 'classifier.weight' is of {dtype}, but {ARCH} takes torch.float32. "
            f"Save the weights as floating-point numbers, or {OR_CODE}"
        )
    torch.save({name: tensor.double() for name, tensor in state.items()}, "net.pt")
    assert load("net.pt", arch=ARCH).facts.parameters == size(model)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        *(
            ({"classifier.bias": torch.zeros(shape)}, f"of another shape (classifier.bias {shape} instead ")
            for shape in [(), (10, 1), (10, 1024, 1)]
        ),
        ({"a." * 240 + "b": torch.zeros(1)}, "unexpected (a.a."),
    ],
)
def test_heads_of_odd_shapes_and_names_of_very_many_parts(model, change, text, monkeypatch):
    monkeypatch.setattr("quba_check.models.checkpoints.build.fitting_architecture", lambda *_, **__: None)
    torch.save(model.state_dict() | change, "net.pt")
    assert refusal("net.pt", arch=ARCH).startswith(f"net.pt: its keys do not fit {ARCH}: 1 {text}")


def test_a_head_of_another_number_of_classes(model):
    torch.save(model.state_dict(), "net.pt")
    text = "net.pt: the checkpoint's head has 10 classes, the suite has 3."
    assert refusal("net.pt", "abc", arch=ARCH) == text
