"""A row on the plan for many models: the planned CPU time of one run against that of the run itself."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks import stages
from benchmarks.costs import Costs
from benchmarks.material import CLEAN_IMAGES
from benchmarks.measuring import cpu_seconds
from benchmarks.row import Row
from benchmarks.work import MOBILENET, Work
from benchmarks.workload import Stage, read_stages
from quba_check import Evaluation, LoadRequest, RunSettings
from quba_check.core.dimension import PUBLISHED_DIMENSIONS
from quba_check.core.view import PGD
from quba_check.engine.progress import Step

LOWEST, HIGHEST = 0.67, 1.5


def rows(work: Work) -> list[Row]:
    """Return the row of mobilenet on the data of the whole protocol, with the costs of this machine."""
    measured = stages.measure(work, MOBILENET, "cpu")
    seconds, passes = run(work)
    costs = Costs(**measured | {"pgd_passes": passes / CLEAN_IMAGES, "start_s": 0.0})
    planned = read_stages(work.data / "quba-data.yaml", costs.pgd_passes)
    sum_of_costs = cpu_time(planned, costs)
    ratio = sum_of_costs / seconds
    details = (
        f"{sum_of_costs:.1f} against {seconds:.1f} s of CPU; {MOBILENET}, "
        f"{sum(stage.total for stage in planned):,} images, {costs.pgd_passes:.1f} passes of PGD"
    )
    goal = f"{LOWEST:g} to {HIGHEST:g}"
    return [Row("plan of a run against the run", f"{ratio:.2f}", details, goal, LOWEST <= ratio <= HIGHEST)]


def cpu_time(planned: Sequence[Stage], costs: Costs) -> float:
    """Return the CPU seconds of all steps of a model, with passes on the CPU."""
    spent = costs.start(sum(stage.files for stage in planned))
    for stage in planned:
        passes = stage.forward + costs.attack_ratio * stage.attack
        spent += stage.total * (1e-3 * costs.forward_ms * passes + costs.reading(stage.reading))
        spent += stage.shards * 1e-3 * costs.shard_ms
    return spent


def run(work: Work) -> tuple[float, int]:
    """Measure all dimensions with an empty store; return CPU seconds, and images in passes of PGD."""
    passes = 0

    def count(step: Step) -> None:
        nonlocal passes
        if step.view == str(PGD):
            passes += step.passes

    evaluation = Evaluation(
        str(work.model),
        work.data,
        request=LoadRequest(arch=MOBILENET, device="cpu", precision="fp32"),
        store=work.new_folder(),
        run=RunSettings(progress=count),
    )
    begin = cpu_seconds()
    evaluation.plan(PUBLISHED_DIMENSIONS)
    for name in PUBLISHED_DIMENSIONS:
        evaluation.outcome(name)
    return cpu_seconds() - begin, passes
