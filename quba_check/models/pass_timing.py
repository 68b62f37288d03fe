"""Timed passes of a model with different compute settings."""

from __future__ import annotations

import time
from collections.abc import Callable

import torch
from torch import Tensor

from quba_check.models.classifier import Classifier, is_out_of_memory
from quba_check.models.compute import ComputeSettings

Measure = Callable[[Callable[[], Tensor]], tuple[Tensor, float]]


class Stopwatch:
    """Measures passes on a device in seconds.

    It waits for the device before and after. A single thread on the CPU is measured by its own time, so that
    other processes on the machine, such as parallel workers, do not disturb the comparison.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        is_alone = device.type == "cpu" and torch.get_num_threads() == 1
        self._now = time.thread_time if is_alone else time.perf_counter

    def __call__(self, run: Callable[[], Tensor]) -> tuple[Tensor, float]:
        """Return the result of a function and its time."""
        self._synchronise()
        start = self._now()
        result = run()
        self._synchronise()
        return result, self._now() - start

    def _synchronise(self) -> None:
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
        elif self._device.type == "mps":
            torch.mps.synchronize()


class TimedPasses:
    """Passes of one model over the images of a probe.

    Args:
        classifier: the model.
        pixels: the images, preprocessed, uint8 (N, 3, H, W).
        measure: see `Stopwatch`.

    Attributes:
        seconds: shortest measured time of an image, by settings.
        spent: time of all passes.
    """

    def __init__(self, classifier: Classifier, pixels: Tensor, measure: Measure | None = None) -> None:
        self.seconds: dict[ComputeSettings, float] = {}
        self.spent = 0.0
        self._classifier = classifier
        self._measure = measure or Stopwatch(classifier.device)
        self._pixels = pixels

    @property
    def images(self) -> int:
        """Number of images of the probe."""
        return len(self._pixels)

    def fits(self, settings: ComputeSettings, *, with_graph: bool) -> bool:
        """Warm up with one pass; return False if memory runs out.

        Args:
            settings: the settings.
            with_graph: also compute a gradient, whose graph needs several times the memory of a pass.
        """
        self._classifier.try_out(settings)
        inputs = self._inputs(settings, 0)
        try:
            self._forward(inputs)
        except torch.OutOfMemoryError:
            return False
        return not with_graph or self._fits_graph(inputs.requires_grad_())

    def scores(self, settings: ComputeSettings, images: range) -> Tensor:
        """Return the scores of images, float32 (N, C), and time each batch."""
        self._classifier.try_out(settings)
        size = _size(settings)
        parts = []
        for start in range(images.start, images.stop, size):
            raw, seconds = self._forward(self._inputs(settings, start))
            parts.append(self._classifier.select_classes(raw).float().cpu())
            self.seconds[settings] = min(self.seconds.get(settings, seconds / size), seconds / size)
        return torch.cat(parts)[: len(images)]

    def _forward(self, inputs: Tensor) -> tuple[Tensor, float]:
        with torch.no_grad():
            raw, seconds = self._measure(lambda: self._classifier.raw(inputs))
        self.spent += seconds
        return raw, seconds

    def _fits_graph(self, inputs: Tensor) -> bool:
        try:
            with torch.enable_grad():
                torch.autograd.grad(self._classifier.raw(inputs, exact=True).sum(), inputs)
        except Exception as error:  # noqa: BLE001  the attack itself reports a model without gradients
            return not is_out_of_memory(error)
        return True

    def _inputs(self, settings: ComputeSettings, start: int) -> Tensor:
        """Return a full batch of inputs; the first images follow the last one."""
        positions = torch.arange(start, start + _size(settings)) % self.images
        return self._classifier.inputs(self._pixels[positions].to(self._classifier.device))


def _size(settings: ComputeSettings) -> int:
    return settings.batch_size or 1
