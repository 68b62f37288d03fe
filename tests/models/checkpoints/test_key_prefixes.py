from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from quba_check.models.checkpoints.state_dict_match import match_prefix


def network(classes=5):
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(4, classes))


def named(prefix, state=None):
    return {f"{prefix}{name}": tensor for name, tensor in (state or network().state_dict()).items()}


def place(state):
    return match_prefix(state, network(), ("3",))


@pytest.mark.parametrize(
    ("prefix", "removed"),
    [
        ("", ()),
        ("module.", ("module.",)),
        ("model.", ("model.",)),
        ("net.backbone.", ("net.backbone.",)),
        ("_orig_mod.", ("_orig_mod.",)),
        ("module._orig_mod.", ("module.", "_orig_mod.")),
        ("_orig_mod.module.", ("module.", "_orig_mod.")),
        ("model._orig_mod.module.", ("model.module.", "_orig_mod.")),
    ],
)
def test_what_training_wraps_around_a_model_is_taken_off(prefix, removed):
    found = place(named(prefix))
    assert found.diff.is_empty
    assert set(found.state) == set(network().state_dict())
    assert (found.removed, found.left_out, found.rivals) == (removed, (), ())


def test_compiled_parts_inside_of_a_model():
    state = network().state_dict()
    found = place({name.replace("3.", "3._orig_mod."): tensor for name, tensor in state.items()})
    assert found.diff.is_empty
    assert found.removed == ("_orig_mod.",)


@given(st.lists(st.sampled_from(["module", "model", "net", "a_b"]), max_size=4))
@settings(max_examples=20, deadline=None)
def test_any_prefix_is_found(parts):
    prefix = "".join(f"{part}." for part in parts)
    found = place(named(prefix))
    assert found.diff.is_empty
    assert "".join(found.removed) == prefix


def test_a_head_of_another_number_of_classes_is_no_hindrance():
    found = place(named("model.", network(classes=9).state_dict()))
    assert found.removed == ("model.",)
    assert found.diff.head(("3",)) == 9


@pytest.mark.parametrize(
    "name", ["criterion.weight", "loss_fn.weight", "train_loss.w", "ema.0.weight", "metric.x"]
)
def test_what_does_not_classify_is_left_out(name):
    found = place({**named("model."), name: torch.ones(1)})
    assert found.diff.is_empty
    assert found.left_out == (name,)


@pytest.mark.parametrize("name", ["head.weight", "semantic.weight", "model2.x"])
def test_what_may_have_a_part_in_the_answer_is_not(name):
    found = place({**named("model."), name: torch.ones(1)})
    assert found.diff.unexpected == (name,)
    assert found.left_out == ()


def test_two_models_are_rivals():
    found = place({**named("teacher_a."), **named("ema_b.")})
    assert found.removed == ("teacher_a.",)
    assert found.rivals == ("ema_b.",)


def test_the_nearest_is_shown_where_none_fits():
    state = named("module.")
    del state["module.0.bias"]
    found = place(state)
    assert found.removed == ("module.",)
    assert found.diff.describe() == "1 missing (0.bias)"


def test_names_that_would_become_one_stay_apart():
    state = {**named(""), "_orig_mod.0.bias": torch.ones(4)}
    assert place(state).diff.unexpected == ("_orig_mod.0.bias",)
