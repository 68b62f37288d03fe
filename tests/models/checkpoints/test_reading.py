import argparse
import datetime
import io
import math
import os
import pickle
import warnings
import zipfile
from collections import OrderedDict
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from support.loaded_models import OR_CODE, message
from torch import nn

from quba_check.models.checkpoints.reading import Checkpoint, checkpoint_of, read_checkpoint

STATE = OrderedDict(weight=torch.arange(6.0).view(2, 3), bias=torch.zeros(2))
SAVE = "Save the weights with torch.save(model.state_dict(), FILE)"


class Evil:
    """Touches a file when it is unpickled."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return (os.mkdir, (self.path,))


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(2, 2)


QUANTISED = {"fc._packed_params.dtype": torch.qint8, "fc.scale": torch.ones(())}


def saved(value, **options):
    buffer = io.BytesIO()
    torch.save(value, buffer, **options)
    return buffer.getvalue()


def legacy(value):
    return saved(value, _use_new_zipfile_serialization=False)


def archive(**members):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        for name, text in members.items():
            file.writestr(f"net/{name.replace('__', '.')}", text)
    return buffer.getvalue()


def read(content, tmp_path, name="net.pt", **options):
    path = tmp_path / name
    path.write_bytes(content)
    return read_checkpoint(path, spec=name, **options)


def refusal(content, tmp_path, name="net.pt", **options):
    text = message(read, content, tmp_path, name, **options)
    return text.replace(f"{os.mkdir.__module__}.mkdir", "os.mkdir")


@pytest.mark.parametrize("write", [saved, legacy])
@pytest.mark.parametrize("trust", [False, True])
def test_state_dicts_of_both_formats(write, trust, tmp_path):
    state = read(write(STATE), tmp_path, trust_pickle=trust).state
    assert list(state) == ["weight", "bias"]
    assert torch.equal(state["weight"], STATE["weight"])


FILES = {
    "state dict": saved({"w": Evil("trap")}),
    "before zip": legacy({"w": Evil("trap")}),
    "pickle 2": pickle.dumps({"w": Evil("trap")}, 2),
    "pickle 0": pickle.dumps({"w": Evil("trap")}, 0),
    "pickle 4": pickle.dumps({"w": Evil("trap")}, 4),
    "arguments": saved({"state_dict": dict(STATE), "args": argparse.Namespace(hook=Evil("trap"))}),
    "harmless": saved({"w": torch.ones(1), "time": datetime.timedelta(1)}),
    "whole": saved(nn.Sequential(nn.Linear(2, 2))),
    "whole, too": saved(Net()),
    "empty": b"",
    "text": b"hello, this is text. " * 20,
    "picture": b"\x89PNG\r\n\x1a\n" + bytes(100),
    "cut off": saved(STATE)[:500],
    "cut off before zip": legacy(STATE)[:-20],
    "no pickle of torch": pickle.dumps({"w": [1.0]}),
    "archive": archive(readme="x"),
    "empty dict": saved({}),
    "number": saved({"epoch": 3}),
    "quantised": saved(QUANTISED),
    "quantised below": saved({"state_dict": QUANTISED}),
    "key": saved({0: torch.ones(1)}),
    "list": saved([torch.ones(1)]),
    "tensor": saved(torch.ones(1)),
    "two": saved({"student": dict(STATE), "teacher": dict(STATE)}),
    **{
        f"name {place}": saved({name: torch.ones(1)})
        for place, name in enumerate(("a\nb", "x" * 600, "\x1b[31m"))
    },
}
TRUSTED = {
    "trusted": saved({"w": torch.ones(1), "trap": Evil("trap")}),
    "trusted module": saved(nn.Linear(2, 2)),
    "trusted text": b"\x80\x02cnowhere_at_all\nx\n.",
}


def test_messages(tmp_path, monkeypatch, snapshot):
    monkeypatch.chdir(tmp_path)
    texts = {name: refusal(content, tmp_path) for name, content in FILES.items()}
    assert texts["state dict"] == (
        "net.pt: would run code when it is read (os.mkdir); nothing of it was run. "
        f"{SAVE}, or, if you trust whoever made the file: --quba-trust-pickle."
    )
    assert not Path("trap").exists()
    texts |= {name: refusal(content, tmp_path, trust_pickle=True) for name, content in TRUSTED.items()}
    assert Path("trap").exists()
    assert texts == snapshot


with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # torch says of some of them that they will change
    UNUSUAL = {
        "sparse": torch.eye(2).to_sparse(),
        "sparse, too": torch.eye(2).to_sparse_csr(),
        "meta": torch.eye(2).to("meta"),
        "quantised": torch.quantize_per_tensor(torch.eye(2), 0.1, 0, torch.qint8),
    }


@pytest.mark.parametrize("form", UNUSUAL)
@pytest.mark.parametrize("wrapped", [False, True])
def test_tensors_that_no_architecture_takes(form, wrapped, tmp_path):
    state = {"weight": UNUSUAL[form], "bias": torch.zeros(2)}
    content = saved({"state_dict": state, "epoch": 1} if wrapped else state)
    assert refusal(content, tmp_path) == (
        f"net.pt: its tensor 'weight' is {form.partition(',')[0]}. Allowed: dense tensors of numbers. "
        f"{SAVE} of a model with such tensors, or {OR_CODE}"
    )


def test_a_damaged_safetensors_file(tmp_path):
    text = refusal(b"xx" * 50, tmp_path, "net.safetensors")
    assert text.startswith("net.safetensors: not a safetensors file, or a damaged one: SafetensorError: ")
    save_file({"a\nb": torch.ones(1)}, tmp_path / "odd.safetensors")
    text = message(read_checkpoint, tmp_path / "odd.safetensors", spec="odd")
    assert text.startswith("odd: holds a tensor with a name that cannot be shown, got")


def test_arguments_of_training_scripts_are_read_without_running_code(tmp_path):
    args = argparse.Namespace(model="resnet10t", data_dir=Path("/data"), mean=(0.5, 0.5, 0.5))
    best = {"best": np.float64(0.5), "n": np.int64(3)}
    metadata = dict(read(saved({"state_dict": dict(STATE), "args": args} | best), tmp_path).metadata)
    arguments = vars(metadata.pop("args"))
    assert arguments | {"data_dir": str(arguments["data_dir"])} == vars(args) | {"data_dir": "/data"}
    assert metadata == {"best": 0.5, "n": 3}


WEIGHTS = {"w": torch.ones(2)}
EMA = {"w": torch.zeros(2)}


checkpoint = partial(checkpoint_of, spec="net.pt")


@pytest.mark.parametrize("key", ["state_dict", "model", "model_state_dict", "net", "weights"])
def test_weights_among_other_things(key):
    optimizer = {"state": {0: {"exp_avg": torch.ones(1)}}, "param_groups": [{"lr": 0.1}]}
    result = checkpoint({"epoch": 3, key: WEIGHTS, "optimizer": optimizer})
    assert (result.state, result.key, result.others) == (WEIGHTS, key, ())
    assert result.metadata == {"epoch": 3, "optimizer": optimizer}


@pytest.mark.parametrize("key", ["state_dict_ema", "model_ema"])
def test_averaged_weights_come_before_those_of_the_last_step(key):
    result = checkpoint({"state_dict": WEIGHTS, key: EMA})
    assert (result.state, result.key, result.others) == (EMA, key, ("state_dict",))


def test_weights_one_level_down():
    result = checkpoint({"model": {"state_dict": WEIGHTS, "name": "x"}, "epoch": 1})
    assert (result.state, result.key, result.metadata) == (WEIGHTS, "model.state_dict", {"epoch": 1})


def test_the_counter_of_averaged_models_is_no_weight():
    averaged = {"n_averaged": torch.tensor(7), "module.w": torch.zeros(2)}
    assert set(checkpoint({"model": WEIGHTS, "model_ema": averaged}).state) == {"module.w"}


def stated(about):
    return Checkpoint({}, metadata=about).preprocessing("net.pt")


@pytest.mark.parametrize(
    ("about", "expected"),
    [
        ({}, []),
        ({"args": argparse.Namespace(model="a"), "arch": "b"}, [("b", "'arch'"), ("a", "'args.model'")]),
        ({"pretrained_cfg": {"architecture": "c"}}, [("c", "'pretrained_cfg'")]),
        ({"hyper_parameters": {"model_name": "d", "lr": 1}}, [("d", "'hyper_parameters.model_name'")]),
        ({"config": {"model": {"name": "x"}}, "arch": 3}, []),
        *(({"arch": value}, []) for value in (torch.ones(2), "a\nb", "x" * 1_000)),
    ],
)
def test_architectures(about, expected):
    assert Checkpoint({}, metadata=about).named_architectures == expected


def test_timms_arguments_state_what_they_were_given():
    args = argparse.Namespace(
        model="resnet10t", img_size=160, input_size=None, mean=[0.5], std=None, crop_pct=0.9, interpolation=""
    )
    config, _ = stated({"args": args})
    assert config.values == {"input_size": (3, 160, 160), "mean": (0.5,), "crop_pct": 0.9}
    assert config.source == "args in net.pt"
    config, _ = stated({"args": {"img_size": [64, 96]}})
    assert config.values == {"input_size": (3, 64, 96)}


@pytest.mark.parametrize(
    "about",
    [
        {},
        {"args": argparse.Namespace(model="resnet10t", mean=None, img_size=None)},
        {"args": {"val_crop_size": "a", "val_resize_size": 3}},
    ],
)
def test_no_preprocessing(about):
    assert stated(about) == (None, [])


@pytest.mark.parametrize(
    ("args", "shown"),
    [
        ({"img_size": "large"}, "input_size of args in net.pt"),
        ({"interpolation": "random"}, "interpolation of args in net.pt"),
        ({"mean": [0.5, 0.5]}, "mean of args in net.pt"),
    ],
)
def test_unusable_values_are_ignored_and_noted(args, shown):
    config, (note,) = stated({"args": {**args, "crop_pct": 0.9}})
    assert config.values == {"crop_pct": 0.9}
    assert note.startswith(f"{shown} cannot be used and is ignored, got ")
    assert stated({"args": args})[0] is None


def test_a_pretrained_cfg_for_other_images():
    config, notes = stated({"pretrained_cfg": {"input_size": (4, 28, 28)}})
    assert "input_size" not in config.values
    assert notes == ["input_size of pretrained_cfg in net.pt cannot be used and is ignored, got (4, 28, 28)"]


@pytest.mark.parametrize(("crop", "resize"), [(224, 256), (224, 232), (299, 342), (384, 384)])
def test_torchvisions_arguments_state_both_sizes(crop, resize):
    args = argparse.Namespace(val_crop_size=crop, val_resize_size=resize, interpolation="bilinear")
    values = stated({"args": args})[0].values
    assert values["input_size"] == (3, crop, crop)
    assert math.floor(crop / values["crop_pct"]) == resize
    assert (values["interpolation"], values["mean"]) == ("bilinear", (0.485, 0.456, 0.406))


def test_model_arguments():
    for arguments, expected in (({"depth": 3}, {"depth": 3}), (None, {})):
        metadata = {"args": argparse.Namespace(model_kwargs=arguments)}
        assert Checkpoint({}, metadata=metadata).model_arguments == expected
