"""`python -m benchmarks.plan_scale`: time, GPU hours, files and bytes of judging many models.

Every cost is given, or measured on this machine with `--measure`, as `python -m benchmarks stages` does.
Numbers of images are the `expected` ones of a manifest. A simulation adds up the steps of all models; its
assumptions are those of `benchmarks.cluster.simulate`.
"""

from __future__ import annotations

import argparse
import csv
import math
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import median

from benchmarks.cluster import Cluster, Outcome, data_bytes, simulate
from benchmarks.costs import COSTS, Costs, option_of
from benchmarks.workload import PUBLISHED_MANIFEST, Stage, read_stages
from quba_check.engine.plan import BACKWARD, FORWARD
from quba_check.errors import QubaError

CAUSES = {
    "passes": "passes of the models",
    "reading": "waiting for cores that read images",
    "network": "waiting for the network",
    "driver": "waiting for the driver",
    "start": "starting runs and checking files",
    "idle": "idle at the end",
}
RATE = "infer_samples_per_sec"
"""Column of timm's tables results/benchmark-infer-*.csv."""
MOST_PASSES = FORWARD["pgd"] + BACKWARD["pgd"]


def main() -> None:
    parser = _parser()
    options = parser.parse_args()
    clusters = [_cluster(options, at_once, parser) for at_once in options.at_once or [options.gpus]]
    rates = None if options.rates is None else read_rates(options.rates, options.image_size, parser)
    if rates is not None and options.models > len(rates):
        parser.error(f"--models: got {options.models}. Allowed: 1 to {len(rates)}, those of {options.rates}.")
    costs = _costs(options, parser)
    try:
        stages = read_stages(
            options.manifest, costs.pgd_passes, generates=options.generate, samples=options.sample_one
        )
    except QubaError as error:
        parser.error(str(error))
    models = [1e-3 * costs.forward_ms] * options.models
    if rates is not None:
        models = [1 / rates[number * len(rates) // options.models] for number in range(options.models)]
    print(*report(models, stages, costs, clusters), sep="\n")


def report(
    models: Sequence[float], stages: Sequence[Stage], costs: Costs, clusters: Sequence[Cluster]
) -> Iterator[str]:
    """Yield the lines of a plan: the work, a row for each way of spreading it, and what would help the best.

    Args:
        models: seconds of a forward pass of an image, by model.
        stages: the work of a model.
        costs: costs of all steps.
        clusters: the same machines with other numbers of models at once.
    """
    views = sum(stage.views for stage in stages)
    images = sum(stage.total for stage in stages)
    yield f"{len(models):,} models × {views} views, {images:,} images a model"
    yield (
        f"predictions: {len(models) * views:,} files, {_size(len(models) * stored_bytes(stages, costs))}; "
        f"images: {_size(data_bytes(stages, costs))} of files"
    )
    yield ""
    outcomes = [simulate(models, stages, costs, cluster) for cluster in clusters]
    yield from _table(clusters, outcomes)
    best = min(range(len(clusters)), key=lambda number: outcomes[number].wall)
    yield ""
    yield f"with {clusters[best].at_once} at once, {_hours(outcomes[best].wall)}:"
    yield from _shares(outcomes[best], clusters[best])
    yield from _remedies(models, stages, costs, clusters[best])


def stored_bytes(stages: Sequence[Stage], costs: Costs) -> float:
    """Return the bytes of the stored predictions of a model."""
    return sum(
        stage.total * (costs.clean_bytes if stage.has_probabilities else costs.view_bytes) for stage in stages
    )


def _table(clusters: Sequence[Cluster], outcomes: Sequence[Outcome]) -> Iterator[str]:
    """Yield a row for each number of models at once."""
    yield "at once  GPUs each  wall time  GPU hours  median model  in passes  bottleneck"
    for cluster, outcome in zip(clusters, outcomes, strict=True):
        hours = cluster.gpus * outcome.wall
        yield (
            f"{cluster.at_once:7}  {cluster.width:9}  {_hours(outcome.wall):>9}  {hours / 3600:9,.1f}  "
            f"{_hours(median(outcome.durations)):>12}  {outcome.spent['passes'] / hours:9.0%}  "
            f"{CAUSES[bottleneck(outcome)]}"
        )


def bottleneck(outcome: Outcome) -> str:
    """Return the cause that takes most of the GPUs' time."""
    return max(CAUSES, key=lambda cause: outcome.spent[cause])  # type: ignore[index]


def _shares(outcome: Outcome, cluster: Cluster) -> Iterator[str]:
    """Yield the GPU hours of each cause."""
    total = cluster.gpus * outcome.wall
    for cause, text in CAUSES.items():
        spent = outcome.spent[cause]  # type: ignore[index]
        if spent > 0.0005 * total:
            yield f"  {spent / 3600:9,.1f} GPU hours  {spent / total:6.1%}  {text}"


def _remedies(
    models: Sequence[float], stages: Sequence[Stage], costs: Costs, cluster: Cluster
) -> Iterator[str]:
    """Yield the wall time with twice as much of each resource."""

    def line(what: str, *ways: Cluster, costs: Costs = costs, models: Sequence[float] = models) -> str:
        walls = [simulate(models, stages, costs, way).wall for way in ways]
        return f"  {what}: {_hours(min(walls))}"

    more = replace(cluster, gpus=2 * cluster.gpus)
    yield line("twice the GPUs", more, replace(more, at_once=2 * cluster.at_once))
    yield line("twice the cores per GPU", replace(cluster, cores=2 * cluster.cores))
    if cluster.place != "local":
        yield line("twice the network", replace(cluster, network=2 * cluster.network))
    yield line("half the time of the driver", cluster, costs=replace(costs, shard_ms=costs.shard_ms / 2))
    yield line("slow models first", cluster, models=sorted(models, reverse=True))


def _costs(options: argparse.Namespace, parser: argparse.ArgumentParser) -> Costs:
    """Return the costs, measured as far as they are not given."""
    costs = {name: value for name in COSTS if (value := getattr(options, name)) is not None}
    if options.rates is not None:
        costs["forward_ms"] = 0.0  # each model has its own
    if options.measure:
        measured = _measured(options.arch, options.device)
        used = {name: value for name, value in measured.items() if name not in costs}
        print(*(f"measured: {option_of(name)} {value:.3g}" for name, value in used.items()), "", sep="\n")
        costs |= used
    if missing := [name for name in COSTS if name not in costs]:
        rows = ", ".join(dict.fromkeys(COSTS[name]["row"] for name in missing))
        remedy = "" if options.measure else ", or give --measure"
        parser.error(
            f"missing: {', '.join(map(option_of, missing))}. "
            f"See the rows {rows} of python -m benchmarks{remedy}."
        )
    return Costs(**costs)


def _measured(architecture: str, device: str) -> dict[str, float]:
    """Return the costs on this machine."""
    from benchmarks import stages
    from benchmarks.work import Work

    with tempfile.TemporaryDirectory() as folder:
        return stages.measure(Work(Path(folder)), architecture, device)


def read_rates(path: Path, image_size: int, parser: argparse.ArgumentParser) -> list[float]:
    """Return images a second of the models of a CSV file at one image size, in its order."""
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
    except OSError as error:
        parser.error(f"--rates: {path}: {error.strerror}.")
    try:
        rates = [float(row[RATE]) for row in rows if int(row["infer_img_size"]) == image_size]
    except (KeyError, TypeError, ValueError):
        parser.error(f"--rates: {path}: expected are the columns infer_img_size and {RATE}, as numbers.")
    if not rates or min(rates) <= 0:
        parser.error(f"--rates: {path}: no model has images of {image_size} px and a rate above 0.")
    return rates


def _cluster(options: argparse.Namespace, at_once: int, parser: argparse.ArgumentParser) -> Cluster:
    """Return the machines for a number of models at once."""
    if options.gpus % at_once:
        parser.error(f"--at-once: got {at_once}. Allowed: divisors of --gpus {options.gpus}.")
    if options.place != "local" and options.network is None:
        parser.error(f"--network is missing, which --place {options.place} needs. Give MB a second.")
    return Cluster(
        options.gpus,
        at_once,
        options.cores,
        options.gpus_per_machine,
        options.place,
        math.inf if options.network is None else 1e6 * options.network,
    )


def _parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    name = "python -m benchmarks.plan_scale"
    usage = f"{name} --models N --gpus N --cores N [--measure] [options]"
    parser = argparse.ArgumentParser(name, usage, __doc__)
    add = parser.add_argument
    add("--models", type=_count, required=True, metavar="N", help="models to judge")
    add("--gpus", type=_count, required=True, metavar="N", help="GPUs of all machines")
    add("--cores", type=_positive, required=True, metavar="N", help="CPU cores per GPU")
    add("--at-once", type=_count, nargs="+", metavar="N", help="models at once (default: one per GPU)")
    add("--gpus-per-machine", type=_count, default=1, metavar="N", help="default: 1")
    place = "images: on each machine (default), downloaded from a URL, or on a network file system"
    add("--place", choices=("local", "url", "shared"), default="local", help=place)
    network = "MB a second of the URL or file system, for all machines together"
    add("--network", type=_positive, metavar="MB", help=network)
    manifest = "quba-data.yaml with `expected` numbers of images (default: the ImageNet family)"
    add("--manifest", type=Path, default=PUBLISHED_MANIFEST, metavar="FILE", help=manifest)
    add("--generate", action="store_true", help="generate the corruptions instead of reading ImageNet-C")
    add("--sample-one", action="store_true", help="each image under one corruption, as with `sample: one`")
    rates = "forward passes of many models, in the columns of timm's results/benchmark-infer-*.csv"
    add("--rates", type=Path, metavar="FILE.csv", help=rates)
    add("--image-size", type=_count, default=224, metavar="PX", help="rows of --rates to take (default: 224)")
    add("--measure", action="store_true", help="measure the costs that are not given, on this machine")
    add("--arch", default="resnet50", metavar="NAME", help="timm model of --measure (default: resnet50)")
    add("--device", default="auto", metavar="NAME", help="device of --measure (default: the best available)")
    for name, cost in COSTS.items():
        source = f"{cost['text']}; from python -m benchmarks {cost['row']}"
        kind = _passes if name == "pgd_passes" else _positive
        add(option_of(name), type=kind, metavar=cost["unit"], help=source)
    return parser


def _count(text: str) -> int:
    """Return a whole number from 1."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"got '{text}'. Allowed: a whole number from 1.")
    return int(text)


def _positive(text: str) -> float:
    """Return a finite number above 0."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"got '{text}'. Allowed: a number above 0.")
    return value


def _passes(text: str) -> float:
    """Return a number of passes of PGD."""
    value = _positive(text)
    if value > MOST_PASSES:
        raise argparse.ArgumentTypeError(f"got '{text}'. Allowed: a number above 0, at most {MOST_PASSES}.")
    return value


def _hours(seconds: float) -> str:
    """Return a duration in minutes or hours."""
    return f"{seconds / 60:.1f} min" if seconds < 3600 else f"{seconds / 3600:.1f} h"


def _size(count: float) -> str:
    """Return bytes in MB or GB."""
    return f"{count / 1e6:,.0f} MB" if count < 1e9 else f"{count / 1e9:,.1f} GB"


if __name__ == "__main__":
    main()
