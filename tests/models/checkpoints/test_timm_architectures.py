from __future__ import annotations

import pytest
import timm
import torch
from support.loaded_models import message
from torch import nn

from quba_check.models.checkpoints.timm_architectures import (
    OPTION,
    POPULAR,
    BuildSpec,
    base_name,
    build_architecture,
    check_architecture,
    classifier_layers,
    fitting_architecture,
)


def test_popular_names_are_timms():
    assert [name for name in POPULAR if not timm.is_model(name)] == []


@pytest.mark.parametrize(
    ("name", "shown", "end"),
    [
        ("resnt50", "resnt50", " Did you mean 'resnet50'?"),
        ("qqqqqqqqqq", "qqqqqqqqqq", ""),
        ("x" * 1_000_000, f"'{'x' * 12}...{'x' * 13}'", ""),
    ],
)
def test_unknown_architectures(name, shown, end):
    assert message(check_architecture, name, where="--quba-arch") == (
        f"--quba-arch: unknown architecture '{shown}'. Allowed: the models of timm {timm.__version__}.{end}"
    )


def test_unknown_tag():
    tags = [name.partition(".")[2] for name in timm.list_pretrained("tf_efficientnet_lite0.*")]
    assert message(check_architecture, "tf_efficientnet_lite0.x", where="m") == (
        f"m: 'tf_efficientnet_lite0' has no pretrained tag 'x'. Allowed: {', '.join(tags)}."
    )


def test_architecture_with_a_head_of_the_suites_classes():
    module = build_architecture(BuildSpec("resnet18", OPTION), 7)
    assert module.num_classes == 7
    assert classifier_layers(module) == ("fc",)
    assert classifier_layers(nn.Linear(1, 1)) == ()


def test_architecture_that_cannot_be_built(monkeypatch):
    monkeypatch.setattr(timm, "create_model", lambda *_, **__: {}["a package"])
    assert message(build_architecture, BuildSpec("resnet18", OPTION), 7) == (
        "--quba-arch: timm cannot build 'resnet18': KeyError: 'a package'"
    )


def test_base_name_leaves_the_tag_out():
    assert base_name("resnet50.a1_in1k") == base_name("resnet50") == "resnet50"


def meta_state(name, **options):
    with torch.device("meta"):
        return timm.create_model(name, **options).state_dict()


def test_the_fitting_architecture_is_found_whatever_its_head():
    state = meta_state("tf_efficientnet_lite0", num_classes=7)
    assert fitting_architecture(state, near=["tf_efficientnet_lite3"]) == "tf_efficientnet_lite0"
    assert fitting_architecture(meta_state("resnet26"), near=["resnet50"]) == "resnet26"
    assert fitting_architecture(meta_state("resnet26"), near=["resnet50"], seconds=-1) is None
