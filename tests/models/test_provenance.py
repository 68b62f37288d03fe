from __future__ import annotations

import argparse
import math

import pytest
import timm

from quba_check.errors import ModelError
from quba_check.models.provenance import architectures_named, model_arguments, preparation_stated

OWN = timm.get_pretrained_cfg("resnet10t").to_dict()


def stated(about):
    return preparation_stated(about, OWN, spec="net.pt")


@pytest.mark.parametrize(
    ("about", "found"),
    [
        ({}, []),
        ({"args": argparse.Namespace(model="a"), "arch": "b"}, [("b", "'arch'"), ("a", "'args.model'")]),
        ({"pretrained_cfg": {"architecture": "c"}}, [("c", "'pretrained_cfg'")]),
        ({"hyper_parameters": {"model_name": "d", "lr": 1}}, [("d", "'hyper_parameters.model_name'")]),
        ({"config": {"model": {"name": "x"}}, "arch": 3}, []),
    ],
)
def test_architectures(about, found):
    assert [(one.architecture, one.where) for one in architectures_named(about)] == found


def test_timms_arguments_state_what_they_were_given():
    args = argparse.Namespace(
        model="resnet10t", img_size=160, input_size=None, mean=[0.5], std=None, crop_pct=0.9, interpolation=""
    )
    found = stated({"args": args})
    assert found.values == {"input_size": (3, 160, 160), "mean": (0.5, 0.5, 0.5), "crop_pct": 0.9}
    assert found.source == "args in net.pt"
    assert stated({"args": argparse.Namespace(model="resnet10t", mean=None, img_size=None)}) is None
    assert stated({}) is None


def test_other_arguments_of_the_same_names_are_passed_over():
    assert stated({"args": {"img_size": "large"}}) is None


def test_timms_arguments_that_cannot_be_used():
    with pytest.raises(ModelError) as caught:
        stated({"args": {"interpolation": "random"}})
    assert str(caught.value) == (
        "net.pt: args: interpolation cannot be used, got 'random'. "
        "Allowed: nearest, bilinear, bicubic, box, hamming, lanczos."
    )


@pytest.mark.parametrize(("crop", "resize"), [(224, 256), (224, 232), (299, 342), (384, 384)])
def test_torchvisions_arguments_state_both_sizes(crop, resize):
    args = argparse.Namespace(val_crop_size=crop, val_resize_size=resize, interpolation="bilinear")
    found = stated({"args": args}).values
    assert found["input_size"] == (3, crop, crop)
    assert math.floor(crop / found["crop_pct"]) == resize
    assert (found["interpolation"], found["mean"]) == ("bilinear", (0.485, 0.456, 0.406))


def test_a_pretrained_cfg_states_all():
    found = stated({"pretrained_cfg": {"mean": [0.5, 0.5, 0.5], "input_size": [3, 96, 96]}})
    assert (found.values["mean"], found.values["input_size"]) == ((0.5, 0.5, 0.5), (3, 96, 96))
    assert found.source == "pretrained_cfg in net.pt"


def test_model_arguments():
    assert model_arguments({"args": argparse.Namespace(model_kwargs={"depth": 3})}) == {"depth": 3}
    assert model_arguments({"args": argparse.Namespace(model_kwargs=None)}) == {}
