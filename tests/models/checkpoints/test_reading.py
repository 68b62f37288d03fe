from __future__ import annotations

import argparse
import datetime
import io
import os
import pickle
import warnings
import zipfile
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from quba_check.errors import ModelError
from quba_check.models.checkpoints.reading import checkpoint_of, read_checkpoint

STATE = OrderedDict(weight=torch.arange(6.0).view(2, 3), bias=torch.zeros(2))
SAVE = "Save the weights with torch.save(model.state_dict(), FILE)"
OR_CODE = f"{SAVE}, or give --model=package.module:callable (docs/models.md)."
WHOLE = f"holds a whole pickled model, not a state dict; nothing of it was run. {OR_CODE}"
DAMAGED = "not a checkpoint that torch.save wrote, or a damaged one."


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
    return read_checkpoint(path, spec=name, **options).state


def refusal(content, tmp_path, name="net.pt", **options):
    with pytest.raises(ModelError) as caught:
        read(content, tmp_path, name, **options)
    return str(caught.value).removeprefix(f"{name}: ")


@pytest.mark.parametrize("write", [saved, legacy])
@pytest.mark.parametrize("trust", [False, True])
def test_state_dicts_of_both_formats(write, trust, tmp_path):
    state = read(write(STATE), tmp_path, trust_pickle=trust)
    assert list(state) == ["weight", "bias"]
    assert torch.equal(state["weight"], STATE["weight"])


def test_safetensors(tmp_path):
    save_file(dict(STATE), tmp_path / "net.safetensors")
    state = read_checkpoint(tmp_path / "net.safetensors", spec="x").state
    assert torch.equal(state["weight"], STATE["weight"])


def test_parameters_in_a_state_dict_are_tensors(tmp_path):
    assert set(read(saved({"w": nn.Parameter(torch.ones(1))}), tmp_path)) == {"w"}


EVIL_WRITERS = {"zip": saved, "before zip": legacy, "pickle 2": lambda value: pickle.dumps(value, 2)}


@pytest.mark.parametrize("writer", EVIL_WRITERS)
def test_code_in_a_pickle_is_not_run(writer, tmp_path):
    trap = tmp_path / "trap"
    content = EVIL_WRITERS[writer]({"w": Evil(trap)})
    assert refusal(content, tmp_path) == (
        f"would run code when it is read ({os.mkdir.__module__}.mkdir); nothing of it was run. "
        f"{SAVE}, or, if you trust whoever made the file: --quba-trust-pickle."
    )
    assert not trap.exists()


@pytest.mark.parametrize("protocol", [0, 4])
def test_code_in_a_pickle_that_torch_does_not_write_is_not_run(protocol, tmp_path):
    trap = tmp_path / "trap"
    assert refusal(pickle.dumps({"w": Evil(trap)}, protocol), tmp_path) == DAMAGED
    assert not trap.exists()


def test_code_in_a_pickle_is_run_for_those_who_trust_it(tmp_path):
    trap = tmp_path / "trap"
    message = refusal(saved({"w": torch.ones(1), "trap": Evil(trap)}), tmp_path, trust_pickle=True)
    assert trap.exists()
    assert message == f"holds a dict without weights, got the keys w, trap. {OR_CODE}"


def test_harmless_foreign_objects_are_refused_by_name(tmp_path):
    assert refusal(saved({"w": torch.ones(1), "time": datetime.timedelta(1)}), tmp_path) == (
        "would run code when it is read (datetime.timedelta); nothing of it was run. "
        f"{SAVE}, or, if you trust whoever made the file: --quba-trust-pickle."
    )


QUANTISED = {"fc._packed_params.dtype": torch.qint8, "fc.scale": torch.ones(())}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", DAMAGED),
        (b"hello, this is text. " * 20, DAMAGED),
        (b"\x89PNG\r\n\x1a\n" + bytes(100), DAMAGED),
        (saved(STATE)[:500], DAMAGED),
        (legacy(STATE)[:-20], DAMAGED),
        (pickle.dumps({"w": [1.0]}), DAMAGED),
        (archive(readme="x"), DAMAGED),
        (saved({}), f"holds a dict without weights, got no keys at all. {OR_CODE}"),
        (saved({"epoch": 3}), f"holds a dict without weights, got the keys epoch. {OR_CODE}"),
        (saved(QUANTISED), f"holds a dict without weights, got the keys {', '.join(QUANTISED)}. {OR_CODE}"),
        (
            saved({"state_dict": QUANTISED}),
            f"holds a dict without weights, got the keys state_dict. {OR_CODE}",
        ),
        (saved({0: torch.ones(1)}), f"holds a dict without weights, got the keys 0. {OR_CODE}"),
        (saved([torch.ones(1)]), f"holds a value of type list, not a state dict. {OR_CODE}"),
        (saved(torch.ones(1)), f"holds a value of type Tensor, not a state dict. {OR_CODE}"),
        (
            saved({"student": dict(STATE), "teacher": dict(STATE)}),
            (
                "holds several sets of weights, got student, teacher. Save the one to judge in a file of its "
                "own: torch.save(torch.load(FILE)['student'], NEW_FILE)."
            ),
        ),
        *((saved(model), WHOLE) for model in (nn.Sequential(nn.Linear(2, 2)), Net())),
    ],
    ids=lambda value: value.partition(".")[0] if isinstance(value, str) else "",  # the files' bytes differ
)
def test_messages(content, message, tmp_path):
    assert refusal(content, tmp_path) == message


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
        f"its tensor 'weight' is {form.partition(',')[0]}. Allowed: dense tensors of numbers. "
        f"{SAVE} of a model with such tensors, or give --model=package.module:callable (docs/models.md)."
    )


@pytest.mark.parametrize(
    ("name", "shown"),
    [("a\nb", "'a\\nb'"), ("x" * 600, f"'{'x' * 12}...{'x' * 13}'"), ("\x1b[31m", "'\\x1b[31m'")],
)
def test_names_that_cannot_be_shown(name, shown, tmp_path):
    assert refusal(saved({name: torch.ones(1)}), tmp_path) == (
        f"holds a tensor with a name that cannot be shown, got {shown}. "
        "Allowed: up to 500 printable characters."
    )


def test_a_whole_pickled_model_is_none_for_those_who_trust_it_either(tmp_path):
    assert refusal(saved(nn.Linear(2, 2)), tmp_path, trust_pickle=True) == (
        f"holds a value of type Linear, not a state dict. {OR_CODE}"
    )


def test_a_trusted_file_that_is_none(tmp_path):
    assert refusal(b"\x80\x02cnowhere_at_all\nx\n.", tmp_path, trust_pickle=True) == (
        "cannot be read as a checkpoint (ModuleNotFoundError: No module named 'nowhere_at_all')."
    )


def test_a_damaged_safetensors_file(tmp_path):
    text = refusal(b"xx" * 50, tmp_path, "net.safetensors")
    assert text.startswith("not a safetensors file, or a damaged one: SafetensorError: ")
    save_file({"a\nb": torch.ones(1)}, tmp_path / "odd.safetensors")
    with pytest.raises(ModelError, match="holds a tensor with a name that cannot be shown"):
        read_checkpoint(tmp_path / "odd.safetensors", spec="odd")


def test_arguments_of_training_scripts_are_read_without_running_code(tmp_path):
    args = argparse.Namespace(model="resnet10t", data_dir=Path("/data"), mean=(0.5, 0.5, 0.5))
    path = tmp_path / "net.pt"
    torch.save({"state_dict": dict(STATE), "args": args}, path)
    arguments = read_checkpoint(path, spec="net.pt").metadata["args"]
    assert (arguments.model, str(arguments.data_dir), arguments.mean) == (
        "resnet10t",
        "/data",
        (0.5, 0.5, 0.5),
    )
    torch.save({"state_dict": dict(STATE), "best": np.float64(0.5), "n": np.int64(3)}, path)
    assert read_checkpoint(path, spec="net.pt").metadata == {"best": 0.5, "n": 3}
    args.hook = Evil(tmp_path / "trap")
    torch.save({"state_dict": dict(STATE), "args": args}, path)
    assert refusal(path.read_bytes(), tmp_path) == (
        f"would run code when it is read ({os.mkdir.__module__}.mkdir); nothing of it was run. "
        f"{SAVE}, or, if you trust whoever made the file: --quba-trust-pickle."
    )
    assert not (tmp_path / "trap").exists()


WEIGHTS = {"w": torch.ones(2)}
EMA = {"w": torch.zeros(2)}


def checkpoint(loaded):
    return checkpoint_of(loaded, "net.pt")


def test_a_plain_state_dict_is_all_there_is():
    result = checkpoint(WEIGHTS)
    assert (result.state, result.key, result.others, result.metadata) == (WEIGHTS, "", (), {})


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
