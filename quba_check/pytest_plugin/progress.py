"""Progress of a run: processes write their state to files, the controller reads them."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from rich.text import Text

from quba_check.engine.speed import Speed, memory_peaks
from quba_check.engine.timing import STEADY_SECONDS, Estimate, Timing, Timings, Work, merge_timings, time_left
from quba_check.storage.json_text import parse_json

if TYPE_CHECKING:
    from quba_check.engine.progress import Step

REFRESH_SECONDS = 0.5
_STALE_SECONDS = 10 * REFRESH_SECONDS


class WorkLeft(NamedTuple):
    """Work left on one stored view, with the name of the model's speed."""

    speed_key: str
    kind: str
    images: float
    passes: float

    @property
    def work(self) -> Work:
        """The work."""
        return Work(self.kind, self.images, self.passes)


@dataclass(frozen=True, slots=True)
class ProcessState:
    """The progress of one process.

    Attributes:
        view: the view being predicted, or other work such as `loading torch`.
        images: number of predicted images.
        seconds: time taken by the passes.
        at: Unix time of writing.
        since: Unix time of the view's first shard.
        step: seconds of the last pass of a batch.
        is_view: False for other work.
        finished: names and numbers of images of the sets that a shard of this process completed.
        left: work left by cache entry, as far as this process knows.
        timings: timings of this process, by name of the speed and kind of work.
        earlier: timings of earlier runs, likewise; only of the process that plans the run.
        is_planner: True if this process knows the work of the whole run.
        peaks: largest memory of the process and of a GPU in bytes; 0 if unknown.
    """

    view: str
    images: int
    seconds: float
    at: float
    since: float = 0.0
    step: float = 0.0
    is_view: bool = True
    finished: tuple[tuple[str, int], ...] = ()
    left: Mapping[str, WorkLeft] = field(default_factory=dict)
    timings: Mapping[str, Timings] = field(default_factory=dict)
    earlier: Mapping[str, Timings] = field(default_factory=dict)
    is_planner: bool = False
    peaks: tuple[int, int] = (0, 0)


class ProgressWriter:
    """Writes the state of this process to a file.

    It writes at most twice a second, and after a change of view or a finished set.

    Args:
        folder: shared by the processes of a run.
        name: of this process.
        after_write: called after every write.
    """

    def __init__(self, folder: Path, name: str, after_write: Callable[[], None] | None = None) -> None:
        self._file = folder / f"{name}.json"
        self._after_write = after_write
        self._refreshed = 0.0
        self._view, self._is_view, self._since = "", False, 0.0
        self._images, self._seconds, self._step = 0, 0.0, 0.0
        self._last: Step | None = None
        self._finished: list[tuple[str, int]] = []
        self._left: dict[str, WorkLeft] = {}
        self._timings: dict[str, dict[str, Timings]] = {}
        self._earlier: Mapping[str, Timings] = {}
        self._is_planner = False

    def announce(self, words: str) -> None:
        """Write a step without images, such as `loading torch`; empty for none."""
        self._change(words, is_view=False)
        self._write()

    def measure(self, words: str) -> None:
        """Write long work without images, such as `class texts, 64 of 80 read`."""
        is_other = words != self._view
        self._change(words, is_view=True)
        if is_other:
            self._write()

    def plan(self, left: Mapping[str, WorkLeft], earlier: Mapping[str, Timings]) -> None:
        """Write the work of the whole run by cache entry, and timings of earlier runs."""
        self._left |= left
        self._earlier = earlier
        self._is_planner = True
        self._write()

    def add(self, step: Step) -> None:
        """Add the work of an engine since its previous step."""
        self._images += step.images
        self._seconds += step.seconds
        self._step = step.seconds
        self._last = step
        self._timings.setdefault(step.speed_key, {})[step.engine] = step.timings
        is_other = step.view != self._view
        self._change(step.view, is_view=True)
        if time.monotonic() - self._refreshed >= REFRESH_SECONDS:
            self._refresh()
        elif is_other:
            self._write()

    def finish(self, name: str, images: int) -> None:
        """Write a complete set with its number of images."""
        self._finished.append((name, images))
        self._refresh()

    def _change(self, view: str, *, is_view: bool) -> None:
        if view != self._view:
            self._view, self._is_view, self._since = view, is_view, time.time()

    def _refresh(self) -> None:
        self._refreshed = time.monotonic()
        if self._last is not None:
            key = self._last.speed_key
            self._left |= {entry: WorkLeft(key, *work) for entry, work in self._last.left().items()}
        self._write()

    def _write(self) -> None:
        state = ProcessState(
            self._view,
            self._images,
            self._seconds,
            time.time(),
            self._since,
            self._step,
            self._is_view,
            tuple(self._finished),
            self._left,
            {key: merge_timings(engines.values()) for key, engines in self._timings.items()},
            self._earlier,
            self._is_planner,
            memory_peaks(),
        )
        with suppress(OSError):  # predictions report a store that cannot be written
            self._file.parent.mkdir(parents=True, exist_ok=True)
            temporary = self._file.with_suffix(".tmp")
            temporary.write_text(json.dumps(asdict(state)))
            temporary.replace(self._file)
        if self._after_write is not None:
            self._after_write()


def read_states(folder: Path) -> list[ProcessState]:
    """Return the states of all processes of a run, without half-written or foreign files."""
    states = []
    with suppress(OSError):
        for file in sorted(folder.glob("*.json")):
            with suppress(OSError, ValueError, TypeError, KeyError):
                content = parse_json(file.read_text())
                content["finished"] = tuple((name, images) for name, images in content["finished"])
                content["left"] = {entry: WorkLeft(*values) for entry, values in content["left"].items()}
                for name in ("timings", "earlier"):
                    content[name] = {
                        key: {kind: Timing(*values) for kind, values in timings.items()}
                        for key, timings in content[name].items()
                    }
                content["peaks"] = tuple(content["peaks"])
                states.append(ProcessState(**content))
    return states


def progress_text(states: list[ProcessState], width: int) -> str:
    """Return view, time left, images and images a second as one line.

    It is empty before the first view. Of several processes it names the view that has been running longest.

    >>> progress_text([ProcessState("corruptions/fog/3", 900, 3.0, 0.0)], 80)
    'measuring corruptions/fog/3 · 900 images · 300 images/s'
    """
    state = slowest_state(states)
    if state is None:
        return ""
    # A narrow terminal cuts the end, so the time comes first.
    counts = [*words_left(states), *image_counts(states)] if state.is_view else []
    text = Text(" · ".join([work_text(state), *counts]))
    text.truncate(width, overflow="ellipsis")
    return text.plain


def slowest_state(states: list[ProcessState]) -> ProcessState | None:
    """Return the recent state with the oldest view, or other work without a view.

    A process without work stops writing, so its last view soon disappears.
    """
    recent = _recent(states)
    views = [state for state in recent if state.is_view]
    if views:
        return min(views, key=lambda state: (state.since, -state.at))
    return max(recent, key=lambda state: state.at, default=None)


def _recent(states: list[ProcessState]) -> list[ProcessState]:
    """Return the states of processes that work; a pass of a batch may take long."""
    newest = max((state.at for state in states), default=0.0)
    return [
        state for state in states if state.view and state.at > newest - max(_STALE_SECONDS, 3 * state.step)
    ]


def work_text(state: ProcessState) -> str:
    """Return the work of a process."""
    return f"measuring {state.view}" if state.is_view else state.view


def image_counts(states: list[ProcessState]) -> list[str]:
    """Return images so far and images a second, if there are any."""
    images = sum(state.images for state in states)
    return [f"{images:,} images", *images_per_second(states)] if images else []


def images_per_second(states: list[ProcessState]) -> list[str]:
    """Return images a second, if known."""
    rate = sum(state.images / state.seconds for state in states if state.seconds > 0)
    return [f"{rate:,.0f} images/s"] if rate else []


def words_left(states: list[ProcessState]) -> list[str]:
    """Return the time left, if known."""
    estimate = run_time_left(states)
    return [] if estimate is None or not estimate.seconds else [f"{time_text(estimate)} left"]


def run_time_left(states: list[ProcessState]) -> Estimate | None:
    """Estimate the time left in a run, None without a plan or timings."""
    if not any(state.is_planner for state in states):
        return None
    left = _work_left(states)
    workers = [state for state in states if state.timings and not state.is_planner]
    measured = [state.timings for state in workers or states]
    before = [state.earlier for state in states]
    if workers:  # the planner had all cores; its timings are scaled to those of the workers
        planners = [state for state in states if state.is_planner]
        before += [state.timings for state in planners if _seconds(state) >= STEADY_SECONDS]
    estimates = []
    for key in {work.speed_key for work in left.values()}:
        works = [work.work for work in left.values() if work.speed_key == key and work.passes]
        if works:
            now, earlier = (
                merge_timings(one.get(key, {}) for one in several) for several in (measured, before)
            )
            estimates.append(time_left(works, now, earlier))
    known = [estimate for estimate in estimates if estimate is not None]
    if estimates and not known:
        return None
    processes = sum(state.is_view for state in _recent(workers or states))
    bounds = {estimate.bound for estimate in known} - {"about"}
    if len(known) < len(estimates):
        bounds.add("at least")
    if len(bounds) > 1:
        return None
    seconds = sum(estimate.seconds for estimate in known) / max(1, processes)
    return Estimate(seconds, bounds.pop() if bounds else "about")


def passes_left(states: list[ProcessState]) -> float | None:
    """Return the passes left in a run, counted in images; None without a plan."""
    if not any(state.is_planner for state in states):
        return None
    return sum(work.passes for work in _work_left(states).values())


def _work_left(states: list[ProcessState]) -> dict[str, WorkLeft]:
    """Return the work left by cache entry."""
    left: dict[str, WorkLeft] = {}
    for state in states:
        for entry, work in state.left.items():  # the process that knows of the most finished work is right
            left[entry] = min(work, left.get(entry, work), key=lambda each: (each.passes, each.images))
    return left


def run_speeds(states: list[ProcessState]) -> dict[str, Speed]:
    """Return the measured speeds of a run by name, for the plans of later runs.

    Processes share the machine's cores, so each counts with its share of the time.
    """
    workers = [state for state in states if state.timings and not state.is_planner] or states
    speeds = {}
    for key in {key for state in workers for key in state.timings}:
        several = [state.timings[key] for state in workers if key in state.timings]
        timings = {
            kind: timing._replace(
                waiting=timing.waiting / len(several), computing=timing.computing / len(several)
            )
            for kind, timing in merge_timings(several).items()
        }
        peaks = [max(sizes) for sizes in zip(*(state.peaks for state in workers), strict=True)]
        speeds[key] = Speed(timings, *peaks)
    return speeds


def _seconds(state: ProcessState) -> float:
    """Return the timed seconds of a process."""
    return sum(timing.seconds for timings in state.timings.values() for timing in timings.values())


def time_text(estimate: Estimate) -> str:
    """Return a duration, rounded to what an estimate can tell.

    >>> [time_text(Estimate(seconds)) for seconds in (4, 44, 100, 700, 4000, 20000)]
    ['under 10 s', 'about 40 s', 'about 2 min', 'about 12 min', 'about 65 min', 'about 5.5 h']
    >>> time_text(Estimate(250, "at least"))
    'at least 4 min'
    """
    seconds = estimate.seconds
    if seconds < 10 and estimate.bound != "at least":
        return "under 10 s"
    if seconds < 90:
        return f"{estimate.bound} {max(10, 10 * round(seconds / 10))} s"
    if seconds < 1800:
        return f"{estimate.bound} {seconds / 60:.0f} min"
    if seconds < 5400:
        return f"{estimate.bound} {5 * round(seconds / 300)} min"
    return f"{estimate.bound} {round(seconds / 1800) / 2:g} h"
