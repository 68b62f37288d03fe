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
    MOST_FLIPS,
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
"""Images of a probe. Half precision is accepted on the larger number only."""
EXTENSION = 64
"""Images by which a count of flips is extended; it ends when half precision is refused."""
TOO_COSTLY = "a count of flips on more images takes too long"
MOST_EXTENSION = 0.2
"""Largest time of a count on all images, relative to the time that half precision would save.

With a bound by `PROBE_SHARE` instead, runs of fewer than about 20,000 planned passes could not take it.
"""
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
        self._available = min(available, MOST_IMAGES)
        self._planned = planned
        self._request = request
        self._passes = TimedPasses(classifier, read, image_count(planned, available), measure)
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
        return self._result(self._with_compilation(self._best()))

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
        precisions = _half_precisions(self._classifier.device) if self._available == MOST_IMAGES else ()
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
        is_accepted = self._keeps_answers(outcome)
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
        outcome = self._counted(settings, scores)
        if settings.precision == "fp32":
            return outcome
        if self._passes.images < MOST_IMAGES and not self._is_extension_worthwhile(settings):
            is_kept = self._keeps_answers(outcome)
            return replace(outcome, problem=TOO_COSTLY) if is_kept else outcome
        while self._keeps_answers(outcome) and self._passes.images < MOST_IMAGES:
            new = self._extend(settings)
            scores = torch.cat([scores, self._passes.scores(settings, new)])
            outcome = self._counted(settings, scores)
        return outcome

    def _more(self, settings: ComputeSettings, images: range) -> list[Tensor]:
        return [self._passes.scores(settings, images)] if images else []

    def _counted(self, settings: ComputeSettings, scores: Tensor) -> Candidate:
        flipped, expected = flips(self._scores, scores)
        return _candidate(
            settings, gain=self._gain(settings), flipped=flipped, expected_flips=round(expected, 6)
        )

    def _is_extension_worthwhile(self, settings: ComputeSettings) -> bool:
        """Return True if a count on all images takes much less than half precision saves.

        The saving is relative to the fastest settings that were accepted before.
        """
        seconds = self._passes.seconds
        plain, half = seconds[self._plain], seconds[settings]
        fastest_other = min(duration for other, duration in seconds.items() if other != settings)
        saved = self._planned.plain * (fastest_other - half)
        return MOST_IMAGES * (plain + half) < MOST_EXTENSION * saved

    def _extend(self, settings: ComputeSettings) -> range:
        """Read further images, get the plain answers to them, and return their positions."""
        before = self._passes.images
        new = range(before, min(self._available, before + max(EXTENSION, settings.batch_size or 1)))
        self._passes.extend(new.stop)
        self._scores = torch.cat([self._scores, self._passes.scores(self._plain, new)])
        return new

    def _keeps_answers(self, candidate: Candidate) -> bool:
        if candidate.problem or candidate.flipped is None or candidate.expected_flips is None:
            return False
        is_kept = candidate.flipped <= MOST_FLIPS * self._passes.images
        return is_kept and candidate.expected_flips <= MOST_FLIPS

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
        tried, share = len(self._candidates) + 1, f"at most {100 * MOST_FLIPS:g} % flips"
        return replace(
            chosen,
            reason=f"fastest of {tried} with {share}" if measured else f"no faster settings with {share}",
            images=self._passes.images,
            flipped=measured.flipped or 0 if measured else 0,
            gain=measured.gain or 1.0 if measured else 1.0,
            candidates=tuple(self._candidates.values()),
        )


def flips(reference: Tensor, scores: Tensor) -> tuple[int, float]:
    """Return the number of flipped top-1 answers, and the share expected from margins.

    The expected share is that of all pairs of an image's loss of margin and an image's margin in which the
    loss is larger. Few images are enough for it to distinguish small shares, unlike the number.

    Args:
        reference: (N, C) scores of the plain path, C at least 2.
        scores: (N, C) scores to compare.

    >>> flips(torch.tensor([[1.0, 0.0], [0.0, 4.0]]), torch.tensor([[0.0, 2.0], [0.0, 4.0]]))
    (1, 0.25)
    """
    top, classes = reference.topk(2, dim=1)
    margins = top[:, 0] - top[:, 1]
    others = scores.gather(1, classes)
    losses = margins - (others[:, 0] - others[:, 1])
    flipped = int((reference.argmax(dim=1) != scores.argmax(dim=1)).sum())
    return flipped, float((losses[:, None] > margins[None, :]).double().mean())


def _candidate(
    settings: ComputeSettings,
    *,
    gain: float | None = None,
    flipped: int | None = None,
    expected_flips: float | None = None,
    problem: str = "",
) -> Candidate:
    tried = settings.precision, settings.channels_last, settings.compiled, settings.batch_size or 1
    return Candidate(*tried, gain, flipped, expected_flips, problem)


def _half_precisions(device: torch.device) -> tuple[Precision, ...]:
    if device.type == "cuda":
        return ("bf16", "fp16") if torch.cuda.is_bf16_supported() else ("fp16",)
    if device.type == "mps":
        return ("fp16",)
    # Without oneDNN's kernels torch is 10 to 30 times slower in bf16. No public function tells: that of
    # `torch.cpu` is missing before torch 2.13, and ignores ONEDNN_MAX_CPU_ISA.
    is_supported = getattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", None)
    return ("bf16",) if is_supported is not None and is_supported() else ()
