from __future__ import annotations

import pytest
import torch
from torch import nn

from quba_check.models.checkpoints.state_dict_match import state_dict_diff


def network(width=4, classes=5):
    return nn.Sequential(
        nn.Conv2d(3, width, 3), nn.BatchNorm2d(width), nn.Flatten(), nn.Linear(width, classes)
    )


def test_a_state_dict_fits_its_module():
    found = state_dict_diff(network().state_dict(), network())
    assert found.is_empty
    assert found.describe() == ""
    assert found.head(("3",)) is None


def test_batch_counters_may_be_missing_or_too_many():
    state = network().state_dict()
    del state["1.num_batches_tracked"]
    state["9.num_batches_tracked"] = torch.tensor(0)
    assert state_dict_diff(state, network()).is_empty


def test_the_module_may_be_an_outline():
    with torch.device("meta"):
        outline = network()
    assert state_dict_diff(network().state_dict(), outline).is_empty


def test_what_does_not_fit_is_told():
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
