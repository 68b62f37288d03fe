from __future__ import annotations

import pytest
import torch

from quba_check.models.checkpoints.contents import checkpoint_of

STATE = {"w": torch.ones(2)}
EMA = {"w": torch.zeros(2)}


def of(loaded):
    return checkpoint_of(loaded, "net.pt")


def test_a_plain_state_dict_is_all_there_is():
    found = of(STATE)
    assert (found.state, found.key, found.others, found.about) == (STATE, "", (), {})


@pytest.mark.parametrize("key", ["state_dict", "model", "model_state_dict", "net", "weights"])
def test_weights_among_other_things(key):
    optimizer = {"state": {0: {"exp_avg": torch.ones(1)}}, "param_groups": [{"lr": 0.1}]}
    found = of({"epoch": 3, key: STATE, "optimizer": optimizer})
    assert (found.state, found.key, found.others) == (STATE, key, ())
    assert found.about == {"epoch": 3, "optimizer": optimizer}


@pytest.mark.parametrize("key", ["state_dict_ema", "model_ema"])
def test_averaged_weights_come_before_those_of_the_last_step(key):
    found = of({"state_dict": STATE, key: EMA})
    assert (found.state, found.key, found.others) == (EMA, key, ("state_dict",))


def test_weights_one_level_down():
    found = of({"model": {"state_dict": STATE, "name": "x"}, "epoch": 1})
    assert (found.state, found.key, found.about) == (STATE, "model.state_dict", {"epoch": 1})


def test_the_counter_of_averaged_models_is_no_weight():
    averaged = {"n_averaged": torch.tensor(7), "module.w": torch.zeros(2)}
    assert set(of({"model": STATE, "model_ema": averaged}).state) == {"module.w"}
