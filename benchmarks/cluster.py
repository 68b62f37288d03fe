"""A simulation of many models on many GPUs: cores that read, one driver per model, a shared network."""

from __future__ import annotations

import math
from collections import defaultdict, deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from benchmarks.costs import Costs
from benchmarks.workload import Stage

Cause = Literal["passes", "reading", "driver", "network", "start", "idle"]
SetSource = Literal["local", "url", "shared"]


@dataclass(frozen=True)
class Cluster:
    """Machines, and the way that models are spread over them.

    Attributes:
        gpus: GPUs of all machines.
        at_once: models that are judged at the same time; each has `gpus / at_once` GPUs.
        cores: CPU cores per GPU.
        gpus_per_machine: GPUs of a machine.
        place: `local` if each machine has the images; `url` if they are downloaded from an object store and
            kept; `shared` if they are read from a network file system at each use.
        network: bytes a second of the store or file system, for all machines together.
    """

    gpus: int
    at_once: int
    cores: float
    gpus_per_machine: int
    place: SetSource = "local"
    network: float = math.inf

    @property
    def width(self) -> int:
        """GPUs of a model."""
        return self.gpus // self.at_once

    @property
    def machines(self) -> int:
        """Number of machines."""
        return -(-self.gpus // self.gpus_per_machine)


@dataclass(frozen=True)
class Outcome:
    """The result of a simulation.

    Attributes:
        wall: seconds from the first start to the last verdict.
        spent: seconds of GPUs by what they did or waited for.
        durations: seconds of each model, in the order of finishing.
    """

    wall: float
    spent: Mapping[Cause, float]
    durations: list[float]


@dataclass
class Phase:
    """A part of a model's run with constant rates.

    Attributes:
        left: units to do: images, bytes or seconds.
        rate: units a second, as far as GPUs, cores and driver allow.
        cause: the one of them that limits the rate.
        busy: GPU seconds of a unit.
        load: bytes over the network of a unit.
    """

    left: float
    rate: float
    cause: Cause
    busy: float = 0.0
    load: float = 0.0


@dataclass
class Slot:
    """GPUs that judge one model after another.

    Attributes:
        phases: the parts of the present model's run.
        begin: time of its start.
    """

    phases: deque[Phase] = field(default_factory=deque)
    begin: float = 0.0


def simulate(models: Sequence[float], stages: Sequence[Stage], costs: Costs, cluster: Cluster) -> Outcome:
    """Judge models in their order; each takes the next free slot.

    Reading, passes and the driver of a model overlap, so that the slowest of them sets its rate. A download
    does not overlap with the passes of its model.

    Args:
        models: seconds of a forward pass of an image, by model.
        stages: the work of a model.
        costs: costs of all steps but the forward pass.
        cluster: the machines.
    """
    slots = [Slot() for _ in range(cluster.at_once)]
    queue = iter(enumerate(models))
    now, spent, durations = 0.0, defaultdict[Cause, float](float), list[float]()
    _fill(slots, queue, stages, costs, cluster, now)
    while active := [slot for slot in slots if slot.phases]:
        phases = [slot.phases[0] for slot in active]
        rates = shared_rates(phases, cluster.network)
        step = min(phase.left / rate for phase, rate in zip(phases, rates, strict=True))
        now += step
        spent["idle"] += step * cluster.width * (len(slots) - len(active))
        for slot, phase, rate in zip(active, phases, rates, strict=True):
            busy = step * rate * phase.busy
            spent["passes"] += busy
            spent["network" if rate < phase.rate else phase.cause] += step * cluster.width - busy
            phase.left -= step * rate
            if phase.left <= 1e-9 * step * rate:
                slot.phases.popleft()
                if not slot.phases:
                    durations.append(now - slot.begin)
        _fill(slots, queue, stages, costs, cluster, now)
    return Outcome(now, spent, durations)


def _fill(
    slots: Sequence[Slot],
    queue: Iterator[tuple[int, float]],
    stages: Sequence[Stage],
    costs: Costs,
    cluster: Cluster,
    now: float,
) -> None:
    """Give each free slot the next model."""
    for slot in slots:
        if not slot.phases and (following := next(queue, None)) is not None:
            number, forward = following
            slot.begin = now
            slot.phases = deque(phases_of(forward, stages, costs, cluster, is_first=number < cluster.at_once))


def phases_of(
    forward: float, stages: Sequence[Stage], costs: Costs, cluster: Cluster, *, is_first: bool
) -> Iterator[Phase]:
    """Yield the phases of a model.

    Args:
        forward: seconds of a forward pass of an image.
        stages: the work.
        costs: costs of all other steps.
        cluster: the machines.
        is_first: True for the first model of a slot.
    """
    yield Phase(costs.start(sum(stage.files for stage in stages)), 1.0, "start")
    if download := _download(stages, costs, cluster, is_first=is_first):
        yield Phase(download, math.inf, "network", load=1.0)
    for stage in stages:
        busy = forward * (stage.forward + costs.attack_ratio * stage.attack)
        reading = costs.reading(stage.reading)
        driver = 1e-3 * costs.shard_ms * stage.shards / stage.total
        limits: dict[Cause, float] = {
            "passes": busy / cluster.width,
            "reading": reading / (cluster.width * cluster.cores),
            "driver": driver,
        }
        cause = max(limits, key=lambda name: limits[name])
        load = costs.file_bytes(stage.reading) if cluster.place == "shared" else 0.0
        yield Phase(stage.total, 1 / limits[cause], cause, busy, load)


def _download(stages: Sequence[Stage], costs: Costs, cluster: Cluster, *, is_first: bool) -> float:
    """Return the bytes that a slot downloads before a model.

    Each machine downloads the sets once.
    """
    if cluster.place != "url" or math.isinf(cluster.network) or not is_first:
        return 0.0
    return data_bytes(stages, costs) * cluster.machines / cluster.at_once


def data_bytes(stages: Sequence[Stage], costs: Costs) -> float:
    """Return the bytes of all image files."""
    return sum(stage.total * costs.file_bytes(stage.reading) for stage in stages)


def shared_rates(phases: Sequence[Phase], network: float) -> list[float]:
    """Return the rates of phases that share a network: each gets an equal part, or all it can use."""
    rates = [phase.rate for phase in phases]
    loaded = sorted(
        (number for number, phase in enumerate(phases) if phase.load),
        key=lambda number: phases[number].rate * phases[number].load,
    )
    left = network
    for place, number in enumerate(loaded):
        phase = phases[number]
        part = min(phase.rate * phase.load, left / (len(loaded) - place))
        rates[number] = part / phase.load
        left -= part
    return rates
