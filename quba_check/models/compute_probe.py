"""A short probe for the fastest settings of a model on a device."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import torch
from torch import Tensor

from quba_check.errors import ModelError
from quba_check.models.classifier import Classifier, error_summary, is_out_of_memory
from quba_check.models.compute import (
    FAILING,
    TOO_FEW,
    TOO_SHORT,
    Candidate,
    ComputeRequest,
    ComputeSettings,
    PlannedPasses,
)
from quba_check.models.pass_timing import Measure, TimedPasses
from quba_check.models.request import Precision

PROBE_SHARE = 0.02
"""Share of the planned time after which no further settings are tried."""
PLAIN_BATCHES = 3
"""Batches that measure the plain path. If they use up the share, no other settings can be tried."""
LEAST_PASSES = 5_000
"""Planned passes from which a probe is worth a first measurement."""
LEAST_SECONDS = 20.0
"""Planned time from which a probe is worth its own."""
COMPILE_SECONDS = 3_000.0
"""Planned time of plain passes from which compiling pays: it takes about a minute, and saves 5 % or more."""
LEAST_GAIN = 1.05
"""Smallest gain that is not taken for noise."""
CLEARLY_SLOWER = 1.1
"""Time of a first batch, relative to the plain path, from which its settings are not pursued."""
LEAST_IMAGES, MOST_IMAGES = 32, 256
"""Images of a probe."""
CHECKED_IMAGES = 2_995
"""Images on which half precision must flip no answer.

The upper 95 % limit of the share of flips is then 1 - 0.05 ** (1 / 2,995), which is 0.1 %.
"""
LEAST_PASSES_OF_CHECK = 20 * CHECKED_IMAGES
"""Planned plain passes from which half precision can save much more than its check costs."""
CPU_BATCHES, ACCELERATOR_BATCHES = (16, 32, 64), (256, 512, 1024)


def image_count(planned: PlannedPasses, available: int) -> int:
    """Return the number of images to begin with; 0 for a short run."""
    if planned.total < LEAST_PASSES:
        return 0
    affordable = int(planned.total * PROBE_SHARE / 8)
    return min(available, MOST_IMAGES, max(LEAST_IMAGES, affordable))


class Probe:
    """Compares settings of one model on real images.

    Args:
        classifier: the model, on the plain path; it is left there.
        read: returns a range of the images, preprocessed, as uint8 (N, 3, H, W).
        available: number of images that can be read.
        planned: the passes of the run.
        request: the user's request.
        batch_size: images of a pass, if the user stated them.
        measure: see `Stopwatch`.
    """

    def __init__(
        self,
        classifier: Classifier,
        read: Callable[[range], Tensor],
        available: int,
        planned: PlannedPasses,
        request: ComputeRequest,
        batch_size: int | None = None,
        measure: Measure | None = None,
    ) -> None:
        self._classifier = classifier
        self._may_use_half = available >= CHECKED_IMAGES and planned.plain >= LEAST_PASSES_OF_CHECK
        self._read = read
        self._measure = measure
        self._planned = planned
        self._request = request
        self._passes = TimedPasses(classifier, read(range(image_count(planned, available))), measure)
        on_cpu = classifier.device.type == "cpu"
        self._batches = (batch_size,) if batch_size else CPU_BATCHES if on_cpu else ACCELERATOR_BATCHES
        self._may_halve = batch_size is None and not on_cpu
        self._needs_graph = not on_cpu and planned.exact > 0 and not classifier.no_gradient
        self._plain = ComputeSettings(batch_size=self._batches[0], requested=request.precision)
        self._candidates: dict[ComputeSettings, Candidate] = {}
        self._scores = torch.empty(0)

    def choose(self) -> ComputeSettings:
        """Return the fastest settings that keep the top-1 answers."""
        if self._passes.images < LEAST_IMAGES:
            return self._without_probe(TOO_FEW)
        if PLAIN_BATCHES * self._batches[0] > PROBE_SHARE * self._planned.total:
            return self._without_probe(TOO_SHORT)
        try:
            is_long = self._measure_plain()
        except (ModelError, torch.OutOfMemoryError):  # the first shard reports it
            return self._without_probe(FAILING)
        finally:
            self._classifier.try_out(self._plain)
        if not is_long:
            return self._without_probe(TOO_SHORT)
        for settings in self._first_candidates():
            self._try(settings)
        for size in self._batches[1:]:
            best = self._best()
            if not self._try(replace(best, batch_size=size)) or self._best() == best:
                break
        best = self._with_compilation(self._best())
        if best.precision != "fp32" and not self._is_confirmed(best):
            for settings in [settings for settings in self._passes.seconds if settings.precision != "fp32"]:
                del self._passes.seconds[settings]
            best = self._with_compilation(self._best())
        return self._result(best)

    def _without_probe(self, reason: str) -> ComputeSettings:
        return ComputeSettings(requested=self._request.precision, reason=reason)

    def _measure_plain(self) -> bool:
        """Measure the plain path and keep its answers; return False for a short run."""
        while not self._passes.fits(self._plain, with_graph=self._needs_graph):
            size = (self._plain.batch_size or 1) // 2
            if not size or not self._may_halve:
                raise ModelError(FAILING)
            torch.cuda.empty_cache()
            self._plain, self._batches = replace(self._plain, batch_size=size), (size,)
        self._passes.scores(self._plain, range(1))
        if self._planned_seconds(self._plain) < LEAST_SECONDS:
            return False
        self._scores = self._passes.scores(self._plain, range(self._passes.images))
        return True

    def _first_candidates(self) -> Iterator[ComputeSettings]:
        """Yield the settings to try at the first batch size, the most promising first."""
        last = replace(self._plain, channels_last=True)
        if self._classifier.has_convolutions:
            yield last
        precisions = _half_precisions(self._classifier.device) if self._may_use_half else ()
        for precision in precisions:
            half = replace(last, precision=precision)
            if last in self._passes.seconds:
                yield half
            # Rounding is about the same in both formats, and so are flips.
            if half not in self._candidates or not self._candidates[half].flipped:
                yield replace(self._plain, precision=precision)

    def _try(self, settings: ComputeSettings) -> bool:
        """Measure settings and compare their answers; return True if they are accepted."""
        is_over = self._passes.spent > PROBE_SHARE * self._planned_seconds(self._plain)
        if is_over and not settings.compiled:  # compiling has a rule of its own
            return False
        try:
            outcome = self._outcome(settings)
        except Exception as error:  # noqa: BLE001  settings that fail in any way are not chosen
            problem = "out of memory" if is_out_of_memory(error) else error_summary(error)
            outcome = _candidate(settings, problem=problem)
        finally:
            self._classifier.try_out(self._plain)
        self._candidates[settings] = outcome
        is_accepted = outcome.flipped == 0
        if not is_accepted:
            self._passes.seconds.pop(settings, None)
        return is_accepted

    def _outcome(self, settings: ComputeSettings) -> Candidate:
        if not self._passes.fits(settings, with_graph=self._needs_graph):
            return _candidate(settings, problem="out of memory")
        seconds = self._passes.seconds
        first = range(min(settings.batch_size or 1, self._passes.images))
        scores = self._passes.scores(settings, first)
        # The machine may have become slower or faster since the plain path was measured.
        self._passes.scores(self._plain, first[:1])
        if seconds[settings] > CLEARLY_SLOWER * seconds[self._plain]:
            return _candidate(settings, gain=self._gain(settings), problem="slower than the plain path")
        if settings.precision == "fp32":  # its gain is smaller, and needs a second round
            self._passes.scores(settings, first)
            self._passes.scores(self._plain, first[:1])
        scores = torch.cat([scores, *self._more(settings, range(first.stop, self._passes.images))])
        return _candidate(settings, gain=self._gain(settings), flipped=flips(self._scores, scores))

    def _more(self, settings: ComputeSettings, images: range) -> list[Tensor]:
        return [self._passes.scores(settings, images)] if images else []

    def _is_confirmed(self, half: ComputeSettings) -> bool:
        """Return True if half precision flips no answer on `CHECKED_IMAGES`.

        The count ends with the first batch that has a flip.
        """
        size, flipped = half.batch_size or MOST_IMAGES, 0
        for start in range(0, CHECKED_IMAGES, size):
            images = range(start, min(start + size, CHECKED_IMAGES))
            passes, batch = (
                TimedPasses(self._classifier, self._read(images), self._measure),
                range(len(images)),
            )
            flipped = flips(passes.scores(self._plain, batch), passes.scores(half, batch))
            if flipped:
                break
        self._classifier.try_out(self._plain)
        self._candidates[half] = replace(self._candidates[half], flipped=flipped)
        return not flipped

    def _with_compilation(self, best: ComputeSettings) -> ComputeSettings:
        """Return settings compiled if that pays."""
        compiled, seconds = replace(best, compiled=True), self._passes.seconds
        if self._request.compile != "auto" or self._planned.plain * seconds[best] < COMPILE_SECONDS:
            return best
        is_faster = self._try(compiled) and seconds[compiled] * LEAST_GAIN < seconds[best]
        return compiled if is_faster else best

    def _best(self) -> ComputeSettings:
        """Return the settings with the smallest planned time; plain ones unless others are faster."""
        best = min(self._passes.seconds, key=self._planned_seconds)
        is_faster = self._planned_seconds(best) * LEAST_GAIN < self._planned_seconds(self._plain)
        return best if is_faster else self._plain

    def _planned_seconds(self, settings: ComputeSettings) -> float:
        """Return the time of the run with these settings; attacks stay in float32."""
        seconds = self._passes.seconds
        exact = replace(self._plain, channels_last=settings.channels_last)
        exact_seconds = seconds.get(exact, seconds[self._plain])
        return self._planned.plain * seconds[settings] + self._planned.exact * exact_seconds

    def _gain(self, settings: ComputeSettings) -> float:
        return round(self._passes.seconds[self._plain] / self._passes.seconds[settings], 3)

    def _result(self, chosen: ComputeSettings) -> ComputeSettings:
        measured = self._candidates.get(chosen)
        tried, flipless = len(self._candidates) + 1, "without flipped answers"
        return replace(
            chosen,
            reason=f"fastest of {tried} {flipless}" if measured else f"no faster settings {flipless}",
            images=self._passes.images if chosen.precision == "fp32" else CHECKED_IMAGES,
            flipped=measured.flipped or 0 if measured else 0,
            gain=measured.gain or 1.0 if measured else 1.0,
            candidates=tuple(self._candidates.values()),
        )


def flips(reference: Tensor, scores: Tensor) -> int:
    """Return the number of top-1 answers that differ between two tables of scores, (N, C)."""
    return int((reference.argmax(dim=1) != scores.argmax(dim=1)).sum())


def _candidate(
    settings: ComputeSettings,
    *,
    gain: float | None = None,
    flipped: int | None = None,
    problem: str = "",
) -> Candidate:
    tried = settings.precision, settings.channels_last, settings.compiled, settings.batch_size or 1
    return Candidate(*tried, gain, flipped, problem)


def _half_precisions(device: torch.device) -> tuple[Precision, ...]:
    if device.type == "cuda":
        return ("bf16", "fp16") if torch.cuda.is_bf16_supported() else ("fp16",)
    if device.type == "mps":
        return ("fp16",)
    return ()  # a CPU saves little: attacks stay in float32, whose pass then no longer serves the clean set
