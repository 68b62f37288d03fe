from __future__ import annotations

import argparse
import math

import pytest
import torch

from quba_check.models.checkpoints.training_metadata import (
    config_from_checkpoint,
    model_arguments,
    named_architectures,
)


def stated(about):
    return config_from_checkpoint(about, spec="net.pt")


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
    assert named_architectures(about) == expected


def test_timms_arguments_state_what_they_were_given():
    args = argparse.Namespace(
        model="resnet10t", img_size=160, input_size=None, mean=[0.5], std=None, crop_pct=0.9, interpolation=""
    )
    config, _ = stated({"args": args})
    assert config.values == {"input_size": (3, 160, 160), "mean": (0.5, 0.5, 0.5), "crop_pct": 0.9}
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
    config, notes = stated({"pretrained_cfg": {"input_size": (1, 28, 28)}})
    assert "input_size" not in config.values
    assert notes == ["input_size of pretrained_cfg in net.pt cannot be used and is ignored, got (1, 28, 28)"]


@pytest.mark.parametrize(("crop", "resize"), [(224, 256), (224, 232), (299, 342), (384, 384)])
def test_torchvisions_arguments_state_both_sizes(crop, resize):
    args = argparse.Namespace(val_crop_size=crop, val_resize_size=resize, interpolation="bilinear")
    values = stated({"args": args})[0].values
    assert values["input_size"] == (3, crop, crop)
    assert math.floor(crop / values["crop_pct"]) == resize
    assert (values["interpolation"], values["mean"]) == ("bilinear", (0.485, 0.456, 0.406))


def test_a_pretrained_cfg_states_all():
    config, _ = stated({"pretrained_cfg": {"mean": [0.5, 0.5, 0.5], "input_size": [3, 96, 96]}})
    assert (config.values["mean"], config.values["input_size"]) == ((0.5, 0.5, 0.5), (3, 96, 96))
    assert config.source == "pretrained_cfg in net.pt"


def test_model_arguments():
    assert model_arguments({"args": argparse.Namespace(model_kwargs={"depth": 3})}) == {"depth": 3}
    assert model_arguments({"args": argparse.Namespace(model_kwargs=None)}) == {}
