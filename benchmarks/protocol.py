"""Rows on the whole protocol: `pytest --model=…` against the released code, on the same model and images."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from unittest.mock import patch

import torch

from benchmarks.material import THRESHOLDS, WITH_CORRUPTIONS
from benchmarks.measuring import Ratio, Usage, run
from benchmarks.released import DIMENSIONS
from benchmarks.row import Row
from benchmarks.work import MOBILENET, Work
from quba_check.core.dimension import PUBLISHED_DIMENSIONS
from quba_check.engine.preparer import ShardImages
from quba_check.errors import QubaError
from quba_check.evaluation import Evaluation
from quba_check.models.request import LoadRequest

SETTINGS = {"auto": [], "OpenVINO": ["--quba-runtime=openvino"],
            "exact fp32": ["--quba-precision=fp32", "--quba-exact-preprocessing"]}  # fmt: skip
GOALS = {("whole protocol", "auto"): 3.0, ("whole protocol", "OpenVINO"): 4.5,
         ("whole protocol", "exact fp32"): 4.0,
         ("without ImageNet-C", "auto"): 3.0, ("without ImageNet-C", "exact fp32"): 1.7}  # fmt: skip
MEMORY_GOAL = 900
NEEDS = "needs --released PATH (a checkout of github.com/visinf/beyond-accuracy)"


def rows(work: Work) -> list[Row]:
    """Return the rows on CPU time against the released code, and on peak memory."""
    released = None if work.released is None else run_released(work, work.released)
    results = []
    for (what, setting), least in GOALS.items():
        is_whole = what == "whole protocol"
        usage = run_ours(work, setting, is_whole=is_whole)
        title = f"{what} against the released code, {setting}"
        if released is None:
            results.append(
                Row.unmeasured(title, f"{NEEDS}; ours takes {usage.cpu:.1f} s of CPU", f"≥ {least:g}")
            )
        else:
            spent = sum(cpu for name, cpu in released.items() if is_whole or name != "corruption_robustness")
            details = f"{usage.cpu:.1f} s against {spent:.1f} s of CPU"
            if is_whole and setting == "exact fp32":
                parts = seconds_of_parts(work)
                named = ", ".join(f"{part} {seconds:.1f} s" for part, seconds in parts.items())
                details += f"; of ours: {named}; {spent / sum(parts.values()):.2f} if all else were free"
            results.append(Row.of_ratio(title, Ratio.of([(usage.cpu, spent)]), details, least))
        if not is_whole:
            details = "largest resident size of a run on 256 images of 500 × 375"
            results.append(
                Row.at_most(f"peak memory, {setting}", usage.memory, "MB", details, MEMORY_GOAL, 0)
            )
    return results


def run_ours(work: Work, setting: str, *, is_whole: bool) -> Usage:
    """Run the command with an empty store."""
    folder = work.new_folder()
    (folder / "demands.yaml").write_text(THRESHOLDS + WITH_CORRUPTIONS * is_whole, encoding="utf-8")
    arguments = [
        "-m", "pytest", "-p", "no:cacheprovider", f"--model={work.model}", f"--quba-arch={MOBILENET}",
        f"--quba-data={work.data}", f"--quba-store={folder}/store", *SETTINGS[setting], "demands.yaml",
    ]  # fmt: skip
    return run(arguments, folder)


def run_released(work: Work, checkout: Path) -> dict[str, float]:
    """Return CPU seconds of the released code by dimension, and `start` for its imports."""
    arguments = ["-m", "benchmarks.released", str(checkout), str(work.data), str(work.model), *DIMENSIONS]
    spent: dict[str, float] = json.loads(run(arguments, work.new_folder()).output)["cpu"]
    return spent


def seconds_of_parts(work: Work) -> dict[str, float]:
    """Return CPU seconds of the parts of the whole protocol in exact fp32 that no gate can leave out."""
    request = LoadRequest(arch=MOBILENET, precision="fp32", exact_preprocessing=True)
    evaluation = Evaluation(str(work.model), work.data, request=request, store=work.new_folder())
    evaluation.plan(PUBLISHED_DIMENSIONS)
    passes: list[float] = []
    reading: list[float] = []

    def timed(function: Callable[..., object], spent: list[float]) -> Callable[..., object]:
        def call(*values: object, **named: object) -> object:
            begin = time.thread_time()
            try:
                return function(*values, **named)
            finally:
                spent.append(time.thread_time() - begin)

        return call

    module = evaluation.classifier.module
    with (
        patch.object(torch.autograd, "grad", timed(torch.autograd.grad, passes)),
        patch.object(module, "forward", timed(module.forward, passes)),
        patch.object(ShardImages, "images", timed(ShardImages.images, reading)),
    ):
        for name in PUBLISHED_DIMENSIONS:
            with suppress(QubaError):  # class_balance has too few images of a class
                evaluation.measure(name)
    imports = run(["-c", "import torch, timm"], work.new_folder()).cpu
    return {"the network's passes": sum(passes), "images": sum(reading), "importing torch and timm": imports}
