"""All 75 corruptions of one image: CPU time, and time and distribution against imagecorruptions.

python benchmarks/corruptions.py --time               CPU time of one core, and of each corruption

pip install numba scikit-image && pip install --no-deps imagecorruptions-imaug
python benchmarks/corruptions.py                      this time and the ratio to imagecorruptions-imaug
python benchmarks/corruptions.py --original FOLDER    and to imagecorruptions 1.1.2, unpacked in FOLDER
python benchmarks/corruptions.py --distribution       50 seeds each of the 45 random conditions
python benchmarks/corruptions.py --frost              frost by severity: our panes against the photographs
"""

from __future__ import annotations

import argparse
import itertools
import re
import sys
import time
import timeit
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest import mock

import cv2
import numpy as np
from measuring import compare, cpu_of
from PIL import Image
from scipy.stats import permutation_test

from quba_check.core.view import CORRUPTIONS, SEVERITIES
from quba_check.models.process_setup import set_up_process
from quba_check.stats.rank_statistics import holm_adjusted
from quba_check.suites.corruptions import corrupt
from quba_check.suites.corruptions.frost_texture import N_TEXTURES

sys.path += [str(Path(__file__).parents[1]), str(Path(__file__).parents[1] / "tests")]
SIDE = 224
SEEDS = 50
LEVEL = 0.01
GOAL_MS = 100
REPETITIONS = 25
RANDOM = (
    "gaussian_noise", "shot_noise", "impulse_noise", "glass_blur", "motion_blur", "snow", "frost", "fog",
    "elastic_transform",
)  # fmt: skip
MOVED = {
    r"from pkg_resources import resource_filename": "",
    r"resource_filename\(__name__, ": "str(FOLDER / ",
    r"scipy\.ndimage\.interpolation": "scipy.ndimage",
    r"np\.float_": "np.float64",
    r"multichannel=True": "channel_axis=-1",
}
"""Names used by imagecorruptions 1.1.2 that numpy, scipy, scikit-image and setuptools moved since."""


def original(folder: Path) -> ModuleType:
    """Load the module of imagecorruptions 1.1.2 with the current names of its imports."""
    path = folder / "imagecorruptions" / "corruptions.py"
    text = path.read_text(encoding="utf-8")
    for former, now in MOVED.items():
        text = re.sub(former, now, text)
    module = ModuleType("imagecorruptions_1_1_2")
    module.__dict__["FOLDER"] = path.parent
    exec(compile(text, str(path), "exec"), module.__dict__)  # noqa: S102 - the user's copy of a package
    return module


def photos() -> list[tuple[np.ndarray, int]]:
    """The ImageNet photos of foolbox, 224 pixels, with their labels."""
    from importlib.util import find_spec

    package = find_spec("foolbox")
    if package is None or package.origin is None:
        raise SystemExit("needs foolbox's photos: pip install foolbox")
    files = sorted((Path(package.origin).parent / "data").glob("imagenet_*.jpg"))
    return [
        (np.array(Image.open(file).convert("RGB").resize((SIDE, SIDE))), int(file.stem.rpartition("_")[2]))
        for file in files
    ]


def all_of(function: Callable[[str, int], object]) -> Callable[[], object]:
    """Every corruption at every severity."""
    return lambda: [function(name, severity) for name in CORRUPTIONS for severity in SEVERITIES]


def print_times() -> None:
    """Print the CPU time of each corruption of a photo (of its random numbers), and the sum."""
    from benchmarks.row import Row, as_text

    def least(function: Callable[[], object]) -> float:
        return 1e3 * min(timeit.repeat(function, timer=time.process_time, repeat=REPETITIONS, number=1))

    def corrupted(name: str, severity: int, rng: Any = None) -> None:
        corrupt(photo, name, severity, rng or np.random.default_rng(0))

    def draw(calls: list[Any]) -> list[Any]:
        rng = np.random.default_rng(0)
        return [getattr(rng, method)(*arguments, **options) for method, arguments, options in calls]

    photo = photos()[0][0]
    table = np.zeros((len(CORRUPTIONS), 2))
    for (row, name), severity in itertools.product(enumerate(CORRUPTIONS), SEVERITIES):
        corrupted(name, severity, recorder := mock.Mock(wraps=np.random.default_rng(0)))
        table[row] += least(partial(corrupted, name, severity)), least(partial(draw, recorder.method_calls))
    for name, (spent, drawn) in zip(CORRUPTIONS, table, strict=True):
        print(f"| {name} | {spent:.1f} ({drawn:.1f}) |".replace(" (0.0)", ""))
    details = f"{SIDE} px, one thread, CPU time: the least of {REPETITIONS} for each"
    print(as_text(Row.at_most("75 corruptions of a photo", table[:, 0].sum(), "ms", details, GOAL_MS)))


def ratios(folder: Path | None) -> None:
    from support.reference_corruptions import reference

    image = photos()[0][0]
    picture = Image.fromarray(image)
    ours = all_of(lambda name, severity: corrupt(image, name, severity, np.random.default_rng(0)))

    def compare_with(title: str, module: ModuleType, repetitions: int) -> None:
        theirs = all_of(lambda name, severity: np.uint8(getattr(module, name)(picture, severity)))
        compare(title, ours, theirs, repetitions, cpu_of)

    compare_with("75 corruptions, CPU: ours, imagecorruptions-imaug", reference(), 5)
    if folder is not None:
        compare_with("75 corruptions, CPU: ours, imagecorruptions 1.1.2", original(folder), 3)


def lite0() -> Any:
    """EfficientNet-Lite0 with its published weights."""
    import timm
    import torch

    from benchmarks.material import published_lite0

    torch.set_num_threads(1)
    network = timm.create_model("tf_efficientnet_lite0").eval()
    network.load_state_dict(published_lite0("tf_efficientnet_lite0"), strict=False)
    return network


def probabilities(network: Any, shown: np.ndarray) -> np.ndarray:
    """(n, classes) probabilities of (n, height, width, 3) images."""
    import torch

    x = (torch.from_numpy(shown).permute(0, 3, 1, 2) / 255 - 0.5) / 0.5
    with torch.inference_mode():
        return np.asarray(network(x).softmax(1))


def theirs_on_pane(image: np.ndarray, severity: int, pane: int, seed: int) -> np.ndarray:
    """The package's frost with one of its photographs, at a place that the seed chooses."""
    from support.reference_corruptions import reference

    rng = np.random.default_rng(seed)
    panes = iter([pane])

    def randint(low: int, high: int | None = None) -> int:
        return next(panes) if high is None else int(rng.integers(low, high))

    with mock.patch.object(np.random, "randint", randint):
        return np.uint8(reference().frost(Image.fromarray(image), severity))


def frosts(places: int) -> None:
    """Effect of frost by severity: ours, the published photographs', and its range over the panes of each."""
    network = lite0()
    images, labels = zip(*photos(), strict=True)
    clean = np.stack(images).astype(float)
    rows = range(len(images))
    print(
        f"frost on {len(images)} photos, {places} places of each of {N_TEXTURES} panes: mean, "
        "(lowest to highest pane)"
    )

    def ours(image: np.ndarray, severity: int, pane: int, seed: int) -> np.ndarray:
        seeds = (
            made
            for made in itertools.count(seed, 1000)
            if np.random.default_rng(made).integers(N_TEXTURES) == pane
        )
        return corrupt(image, "frost", severity, np.random.default_rng(next(seeds)))

    def effects(function: Callable[[np.ndarray, int, int, int], np.ndarray], severity: int) -> np.ndarray:
        """(panes, photos, 3): accuracy, probability of the label, distance in grey levels."""
        found = np.zeros((N_TEXTURES, len(images), 3))
        for pane, place in itertools.product(range(N_TEXTURES), range(places)):
            shown = np.stack([function(images[k], severity, pane, place * len(images) + k) for k in rows])
            table = probabilities(network, shown)
            found[pane, :, 0] += table.argmax(1) == labels
            found[pane, :, 1] += table[rows, labels]
            found[pane, :, 2] += np.abs(shown - clean).mean(axis=(1, 2, 3))
        return found / places

    for severity in SEVERITIES:
        mine = effects(ours, severity)
        other = effects(theirs_on_pane, severity)
        for column, name in enumerate(("accuracy", "probability", "distance")):
            gap = (mine - other)[:, :, column].mean(axis=0)
            error = gap.std(ddof=1) / len(gap) ** 0.5
            parts = []
            for found in (mine, other):
                panes = found[:, :, column].mean(axis=1)
                parts.append(f"{panes.mean():7.3f} ({panes.min():.3f} to {panes.max():.3f})")
            print(
                f"{severity} {name:<12} ours {parts[0]}  original {parts[1]}  "
                f"difference {gap.mean():+.3f} ± {error:.3f} (standard error over photos)",
                flush=True,
            )


def theirs_at_random(image: np.ndarray, name: str, severity: int, seed: int) -> np.ndarray:
    """The package's answer as it stands, with its photographs; for frost one of the five of ImageNet-C."""
    from support.reference_corruptions import reference

    own: dict[str, Any] = {"seed": seed} if name in ("impulse_noise", "glass_blur") else {}
    # The package draws from six photographs.
    while name == "frost" and np.random.RandomState(seed).randint(6) == N_TEXTURES:
        seed += 1_000_000
    np.random.seed(seed)  # noqa: NPY002 - what it reads
    return np.uint8(getattr(reference(), name)(Image.fromarray(image), severity, **own))


def p_value(one: np.ndarray, other: np.ndarray) -> float:
    """Two-sided p-value of a difference of means under random exchange of the two samples' values."""
    return float(
        permutation_test(
            (one, other),
            lambda x, y, axis: np.mean(x, axis=axis) - np.mean(y, axis=axis),
            vectorized=True,
            n_resamples=19_999,
            batch=2000,
            rng=np.random.default_rng(0),
        ).pvalue
    )


def distribution(count: int, only: list[str]) -> None:
    """Residual and lite0's mean probability of the true class, ours against theirs, over seeds."""
    network = lite0()
    images, labels = zip(*photos()[:count], strict=True)
    clean = np.stack(images).astype(float)

    def probability(shown: np.ndarray) -> float:
        return float(probabilities(network, shown)[range(count), labels].mean())

    def summary(shown: np.ndarray) -> tuple[float, float, float]:
        residual = shown - clean
        return residual.mean(), residual.var(axis=(1, 2, 3)).mean(), probability(shown)

    def ours(name: str, severity: int, seed: int, k: int) -> np.ndarray:
        return corrupt(images[k], name, severity, np.random.default_rng([seed, k, severity]))

    def theirs(name: str, severity: int, seed: int, k: int) -> np.ndarray:
        return theirs_at_random(images[k], name, severity, 1000 * seed + k)

    def samples(function: Callable[[int, int], np.ndarray]) -> np.ndarray:
        return np.array(
            [summary(np.stack([function(seed, k) for k in range(count)])) for seed in range(SEEDS)]
        )

    found: dict[str, dict[str, float]] = {"mean": {}, "variance": {}, "probability": {}}
    for name in only or RANDOM:
        for severity in SEVERITIES:
            mine = samples(partial(ours, name, severity))
            other = samples(partial(theirs, name, severity))
            columns = zip(found, mine.T, other.T, strict=True)
            line = []
            for statistic, one, two in columns:
                p = found[statistic][f"{name} {severity}"] = p_value(one, two)
                line.append(f"{statistic} {one.mean():8.4f} {two.mean():8.4f} p {p:.4f}")
            print(f"{name:<17} {severity}  " + "   ".join(line), flush=True)
    for statistic, values in found.items():
        adjusted = zip(values, holm_adjusted(list(values.values())), strict=True)
        unlike = ", ".join(name for name, p in adjusted if p <= LEVEL) or "none"
        print(f"{statistic}: unlike by Holm's rule at {LEVEL:.0%} over {len(values)} conditions: {unlike}")


def main() -> None:
    warnings.simplefilter("ignore")
    parser = argparse.ArgumentParser(description="Our corruptions against imagecorruptions.")
    parser.add_argument("--original", type=Path, metavar="FOLDER", help="imagecorruptions 1.1.2, unpacked")
    parser.add_argument("--time", action="store_true", help="our CPU time only")
    parser.add_argument("--distribution", action="store_true", help="compare distributions, not times")
    parser.add_argument("--photos", type=int, default=4, help="photos of a seed (default 4)")
    parser.add_argument("--only", action="append", default=[], choices=RANDOM, help="this corruption")
    parser.add_argument("--frost", action="store_true", help="the effect of frost by severity")
    parser.add_argument("--places", type=int, default=5, help="places of a frost pane (default 5)")
    options = parser.parse_args()
    # As in a run: the allocator keeps its memory. Without this, page faults are what is measured.
    set_up_process()
    cv2.setNumThreads(1)
    if options.time:
        print_times()
    elif options.frost:
        frosts(options.places)
    elif options.distribution:
        distribution(options.photos, options.only)
    else:
        print_times()
        ratios(options.original)


if __name__ == "__main__":
    main()
