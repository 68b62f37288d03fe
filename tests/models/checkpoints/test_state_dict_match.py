from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from quba_check.models.checkpoints.state_dict_match import match_prefix, state_dict_diff


def network(width=4, classes=5):
    return nn.Sequential(
        nn.Conv2d(3, width, 3), nn.BatchNorm2d(width), nn.Flatten(), nn.Linear(width, classes)
    )


def test_a_state_dict_fits_its_module():
    diff = state_dict_diff(network().state_dict(), network())
    assert diff.count == 0
    assert diff.describe() == ""
    assert diff.head(("3",)) is None


def test_batch_counters_may_be_missing_or_too_many():
    state = network().state_dict()
    del state["1.num_batches_tracked"]
    state["9.num_batches_tracked"] = torch.tensor(0)
    assert state_dict_diff(state, network()).count == 0


def test_the_module_may_be_on_the_meta_device():
    with torch.device("meta"):
        module = network()
    assert state_dict_diff(network().state_dict(), module).count == 0


def test_differences_are_described():
    state = network(width=8).state_dict()
    state = {f"net.{name}" if name.startswith("3") else name: tensor for name, tensor in state.items()}
    assert state_dict_diff(state, network()).describe() == (
        "2 missing (3.weight, 3.bias); 2 unexpected (net.3.weight, net.3.bias); 6 of another shape "
        "(0.weight (8, 3, 3, 3) instead of (4, 3, 3, 3), 0.bias (8,) instead of (4,), "
        "1.weight (8,) instead of (4,) and 3 more)"
    )


@pytest.mark.parametrize(
    ("theirs", "layers", "classes"),
    [
        (network(classes=7), ("3",), 7),
        (network(classes=7), ("4",), None),
        (network(width=8, classes=7), ("3",), None),
        (nn.Sequential(*network(classes=7), nn.Linear(1, 1)), ("3",), None),
    ],
)
def test_head_of_another_number_of_classes(theirs, layers, classes):
    assert state_dict_diff(theirs.state_dict(), network()).head(layers) == classes


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
def test_prefixes_of_training_are_removed(prefix, removed):
    match = place(named(prefix))
    assert match.diff.count == 0
    assert set(match.state) == set(network().state_dict())
    assert (match.removed, match.left_out, match.rivals) == (removed, (), ())


def test_compiled_parts_inside_of_a_model():
    state = network().state_dict()
    match = place({name.replace("3.", "3._orig_mod."): tensor for name, tensor in state.items()})
    assert match.diff.count == 0
    assert match.removed == ("_orig_mod.",)


@given(st.lists(st.sampled_from(["module", "model", "net", "a_b"]), max_size=4))
@settings(max_examples=20, deadline=None)
def test_any_prefix_is_removed(parts):
    prefix = "".join(f"{part}." for part in parts)
    match = place(named(prefix))
    assert match.diff.count == 0
    assert "".join(match.removed) == prefix


def test_a_head_of_another_number_of_classes_is_no_hindrance():
    match = place(named("model.", network(classes=9).state_dict()))
    assert match.removed == ("model.",)
    assert match.diff.head(("3",)) == 9


@pytest.mark.parametrize(
    "name", ["criterion.weight", "loss_fn.weight", "train_loss.w", "ema.0.weight", "metric.x"]
)
def test_what_does_not_classify_is_left_out(name):
    match = place({**named("model."), name: torch.ones(1)})
    assert match.diff.count == 0
    assert match.left_out == (name,)


@pytest.mark.parametrize("name", ["head.weight", "semantic.weight", "model2.x"])
def test_what_may_belong_to_the_model_is_not_left_out(name):
    match = place({**named("model."), name: torch.ones(1)})
    assert match.diff.unexpected == (name,)
    assert match.left_out == ()


def test_two_models_are_rivals():
    match = place({**named("teacher_a."), **named("ema_b.")})
    assert match.removed == ("teacher_a.",)
    assert match.rivals == ("ema_b.",)


def test_the_nearest_match_is_returned_if_none_fits():
    state = named("module.")
    del state["module.0.bias"]
    match = place(state)
    assert match.removed == ("module.",)
    assert match.diff.describe() == "1 missing (0.bias)"


def test_names_that_would_collide_keep_their_infixes():
    state = {**named(""), "_orig_mod.0.bias": torch.ones(4)}
    assert place(state).diff.unexpected == ("_orig_mod.0.bias",)
