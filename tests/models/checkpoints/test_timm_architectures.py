import pytest
import timm
import torch
from support.loaded_models import message
from torch import nn

from quba_check.models.checkpoints.timm_architectures import (
    OPTION,
    POPULAR,
    BuildSpec,
    build_architecture,
    check_architecture,
    fitting_architecture,
    match_prefix,
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


def test_architecture_that_cannot_be_built(monkeypatch):
    monkeypatch.setattr(timm, "create_model", lambda *_, **__: {}["a package"])
    assert message(build_architecture, BuildSpec("resnet18", OPTION), 7) == (
        "--quba-arch: timm cannot build 'resnet18': KeyError: 'a package'"
    )


def meta_state(name, **options):
    with torch.device("meta"):
        return timm.create_model(name, **options).state_dict()


def test_the_fitting_architecture_is_found_whatever_its_head():
    state = meta_state("tf_efficientnet_lite0", num_classes=7)
    assert fitting_architecture(state, near=["tf_efficientnet_lite3"]) == "tf_efficientnet_lite0"
    assert fitting_architecture(meta_state("resnet26"), near=["resnet50"]) == "resnet26"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("quba_check.models.checkpoints.timm_architectures.SEARCH_SECONDS", -1)
        assert fitting_architecture(meta_state("resnet26"), near=["resnet50"]) is None


def network(width=4, classes=5):
    return nn.Sequential(
        nn.Conv2d(3, width, 3), nn.BatchNorm2d(width), nn.Flatten(), nn.Linear(width, classes)
    )


def named(prefix, state=None):
    return {f"{prefix}{name}": tensor for name, tensor in (state or network().state_dict()).items()}


def match(state, layer="3"):
    module = network()
    module.pretrained_cfg = {"classifier": layer}
    return match_prefix(state, module)


def test_batch_counters_may_be_missing_or_too_many():
    state = network().state_dict()
    del state["1.num_batches_tracked"]
    state["9.num_batches_tracked"] = torch.tensor(0)
    assert match(state).differences == 0


def test_differences_are_described():
    state = network(width=8).state_dict()
    state = {f"net.{name}" if name.startswith("3") else name: tensor for name, tensor in state.items()}
    assert match(state).describe() == (
        "2 missing (3.weight, 3.bias); 2 unexpected (net.3.weight, net.3.bias); 6 of another shape "
        "(0.weight (8, 3, 3, 3) instead of (4, 3, 3, 3), 0.bias (8,) instead of (4,), "
        "1.weight (8,) instead of (4,) and 3 more)"
    )


@pytest.mark.parametrize(
    ("theirs", "layer", "classes"),
    [
        (network(), "3", None),
        (network(classes=7), "3", 7),
        (network(classes=7), ("4", "3"), 7),
        (network(classes=7), "4", None),
        (network(width=8, classes=7), "3", None),
        (nn.Sequential(*network(classes=7), nn.Linear(1, 1)), "3", None),
    ],
)
def test_head_of_another_number_of_classes(theirs, layer, classes):
    for prefix in ("", "model."):
        matched = match(named(prefix, theirs.state_dict()), layer)
        assert matched.classes == classes
        assert matched.is_fitting == (classes is not None or not matched.differences)


@pytest.mark.parametrize(
    ("prefix", "removed"),
    [
        ("", ()),
        ("module.", ("module.",)),
        ("net.backbone.", ("net.backbone.",)),
        ("a_b.model.model.net.", ("a_b.model.model.net.",)),
        ("_orig_mod.", ("_orig_mod.",)),
        ("module._orig_mod.", ("module.", "_orig_mod.")),
        ("_orig_mod.module.", ("module.", "_orig_mod.")),
        ("model._orig_mod.module.", ("model.module.", "_orig_mod.")),
    ],
)
def test_prefixes_of_training_are_removed(prefix, removed):
    matched = match(named(prefix))
    assert (matched.differences, matched.describe()) == (0, "")
    assert set(matched.state) == set(network().state_dict())
    assert (matched.removed, matched.left_out, matched.rivals) == (removed, (), ())


def test_compiled_parts_inside_of_a_model():
    matched = match({name.replace("3.", "3._orig_mod."): one for name, one in network().state_dict().items()})
    assert (matched.differences, matched.removed) == (0, ("_orig_mod.",))


@pytest.mark.parametrize(
    ("name", "is_left_out"),
    [
        *((name, True) for name in ("criterion.weight", "loss_fn.weight", "train_loss.w", "ema.0.weight")),
        *((name, False) for name in ("head.weight", "semantic.weight", "model2.x")),
    ],
)
def test_what_does_not_classify_is_left_out(name, is_left_out):
    matched = match({**named("model."), name: torch.ones(1)})
    assert matched.left_out == ((name,) if is_left_out else ())
    assert matched.unexpected == (() if is_left_out else (name,))


def test_names_that_would_collide_keep_their_infixes():
    state = {**named(""), "_orig_mod.0.bias": torch.ones(4)}
    assert match(state).unexpected == ("_orig_mod.0.bias",)
