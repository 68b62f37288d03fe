"""All nine values on the published layout, under both protocols, against a slow computation of its own."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from support.evaluations import new_evaluation
from support.published_layout import CONFIG, COUNTS, network, write_tree
from support.slow_values import Photo, SlowValues
from timm.data import create_transform

from quba_check.core.dimension import PUBLISHED_DIMENSIONS
from quba_check.core.measurement import Measurement
from quba_check.core.protocols import PROTOCOLS
from quba_check.engine.batching import BatchSettings

SEED = 5
CLOSE = 1e-6
SPEC = "support.published_layout:network"


@dataclass(frozen=True)
class Measured:
    """What the package measured under a protocol, and the passes that it took."""

    measurements: dict[str, Measurement]
    forward: int
    backward: int


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tree(tmp_path_factory.mktemp("published"))


@pytest.fixture(scope="module")
def slow(tree: Path) -> dict[str, SlowValues]:
    standard = SlowValues(tree, network(), seed=SEED)
    return {"standard": standard, "released": SlowValues(tree, network(), seed=SEED, standard=standard)}


@pytest.fixture(scope="module")
def measured(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Measured]:
    store = tmp_path_factory.mktemp("store")
    found = {}
    for protocol in PROTOCOLS:
        evaluation = new_evaluation(
            SPEC,
            tree,
            protocol=protocol,
            seed=SEED,
            store=store,
            batch_settings=BatchSettings(batch_size=37, threads=2),
            exact_preprocessing=True,
        )
        COUNTS.update(forward=0, backward=0)
        evaluation.plan(PUBLISHED_DIMENSIONS)
        evaluation.check()
        measurements = {name: evaluation.measure(name) for name in PUBLISHED_DIMENSIONS}
        found[protocol] = Measured(measurements, **COUNTS)
    return found


def flat(measurements: Mapping[str, Any]) -> dict[str, float]:
    """Values by `dimension` and `dimension.part`, of measurements or their rows in a record."""
    values = {}
    for name, row in measurements.items():
        values[name] = row.value
        values |= {f"{name}.{part}": quantity.value for part, quantity in row.parts.items()}
    return values


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("dimension", PUBLISHED_DIMENSIONS)
def test_value_and_parts_equal_the_slow_ones(slow, measured, protocol: str, dimension: str) -> None:
    found = measured[protocol].measurements[dimension]
    expected = {
        name: value
        for name, value in slow[protocol].values.items()
        if name == dimension or name.startswith(f"{dimension}.")
    }
    assert flat({dimension: found}) == pytest.approx(expected, abs=CLOSE, rel=0)
    assert found.n == slow[protocol].images[dimension]


def test_the_tree_is_hard_enough_to_distinguish_errors(slow) -> None:
    standard, released = (slow[protocol].values for protocol in PROTOCOLS)
    assert 0.3 < standard["accuracy"] < 0.8
    assert all(0 < standard[name] < 2 for name in PUBLISHED_DIMENSIONS)
    differing = {name for name in PUBLISHED_DIMENSIONS if standard[name] != released[name]}
    assert differing == {
        "adversarial_robustness", "corruption_robustness", "ood_robustness", "object_focus", "shape_bias",
        "parameters",
    }  # fmt: skip
    # One black image, on which all sixteen categories tie: shape is the first of them, texture the last.
    assert standard["shape_bias.shape_hits"] != released["shape_bias.shape_hits"]
    matched = [standard[name] for name in standard if name.endswith("_matched")]
    assert len(matched) == 5
    assert standard["accuracy"] not in matched


def test_passes_are_the_closed_form(tree: Path, measured) -> None:
    files = sum(1 for path in tree.rglob("*") if path.is_file())
    clean = sum(1 for path in tree.glob("imagenet/val/*/*"))
    standard, released = (measured[protocol] for protocol in PROTOCOLS)
    # Images leave PGD once the network is wrong about them; at least each random start is predicted.
    others = clean + clean + files - clean
    assert others + clean < standard.forward < others + 11 * clean
    assert clean < standard.backward < 11 * clean
    # `released` attacks again, and predicts what it preprocesses differently; ImageNet-R is in the store.
    renditions = sum(1 for path in tree.glob("imagenet-r/*/*"))
    checked = released.forward - (clean + clean + 11 * clean + files - clean - renditions)
    assert 0 <= checked <= 16 + 8
    assert released.backward == 11 * clean


def pixel_moves(slow: SlowValues, *, released: bool) -> list[torch.Tensor]:
    """How far each pixel value of each clean image was moved, by FGSM, then by PGD."""
    mean, std = (torch.tensor(CONFIG[name]).view(3, 1, 1) for name in ("mean", "std"))
    before = [slow.pixels(photo, prepared=False) for photo in slow.clean]
    moves = []
    for points in (slow.attacked.fgsm_points, slow.attacked.pgd_points):
        seen = [point * std + mean if released else point for point in points]
        moves += [(after - pixels).abs() for after, pixels in zip(seen, before, strict=True)]
    return moves


def test_released_says_how_far_its_attacks_went(slow, measured) -> None:
    moves = torch.stack(pixel_moves(slow["released"], released=True))
    largest = float(moves.max())
    share = float((moves > 8 / 255 + CLOSE).double().mean())
    assert largest > 10 * 8 / 255
    assert measured["released"].measurements["adversarial_robustness"].notes == (
        f"released attack: largest pixel move {largest:.2f}, "
        f"{100 * share:.0f} % of pixel values moved by more than 8/255",
    )


def test_standard_attacks_stay_in_bounds_and_nothing_is_masked(slow, measured) -> None:
    moves = torch.stack(pixel_moves(slow["standard"], released=False))
    assert float(moves.max()) <= 8 / 255 + CLOSE
    assert not any(slow["standard"].attacked.flat)
    assert measured["standard"].measurements["adversarial_robustness"].notes == ()


def test_slow_preprocessing_is_what_timm_does(tree: Path, slow) -> None:
    theirs = create_transform(**CONFIG, is_training=False)
    for path in sorted(tree.glob("imagenet/val/*/*"))[:40]:
        ours = slow["standard"].normalised(slow["standard"].pixels(Photo(path, 0), prepared=False))
        torch.testing.assert_close(ours, theirs(Image.open(path).convert("RGB")), rtol=0, atol=1e-6)
