"""Passes of a model over batches of images: unattacked, FGSM and PGD.

Batches may cross the borders of shards. Each pass gathers its outputs in the shards' tasks and yields, after
each batch, the tasks that are complete.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import chain

import torch
from torch import Tensor

from quba_check.core.protocols import PGD_STEPS, Protocol
from quba_check.core.view import View
from quba_check.engine.attacks import extents, fgsm_point, gradient, pgd_start, pgd_step
from quba_check.engine.batching import Batch, Batching, ImageStream
from quba_check.engine.shards import ShardOwner, ShardTask, add_outputs
from quba_check.errors import ModelError
from quba_check.models.classifier import Classifier, out_of_memory_error
from quba_check.models.compute import row_index
from quba_check.models.errors import is_out_of_memory
from quba_check.models.outputs import OUTPUT_KINDS, SPECIFIC_TO_GENERAL

Report = Callable[[View, int, int], None]
"""Called after every pass of a batch: view, finished images, forward and backward passes in images."""


class Passes:
    """The passes of one model.

    Args:
        classifier: the model.
        protocol: settings of the attacks.
        batch_size: images of a forward pass; None chooses, see `Batching`.
        report: called after every pass of a batch.

    Attributes:
        batching: batches of passes without gradients.
        attack_batching: batches of passes with gradients.
    """

    def __init__(
        self, classifier: Classifier, protocol: Protocol, batch_size: int | None, report: Report
    ) -> None:
        self._classifier = classifier
        self._surrogate = classifier.surrogate
        self._protocol = protocol
        self._in_pixels = protocol.attack_space == "pixel"
        self.batching = Batching(classifier, batch_size)
        self.attack_batching = Batching(classifier, batch_size, has_gradients=True)
        self._report = report
        self._copy_stream = torch.cuda.Stream(classifier.device) if classifier.device.type == "cuda" else None  # type: ignore[no-untyped-call]

    def run(self, attack: str | None, stream: ImageStream[ShardOwner]) -> Iterator[list[ShardTask]]:
        """Yield the shards that each batch completes.

        An unattacked image takes one forward pass, and gets the output `raw` (N, outputs). FGSM takes two and
        one backward pass, and adds `zero_gradient` (N,) and the outputs of `_moves`. For PGD see `_pgd`.

        Args:
            attack: the attack on the images.
            stream: the images, for PGD each with its random start; their views have one ε.
        """
        if attack == "pgd":
            yield from self._pgd(stream)
            return
        batching = self.batching
        compute = self._predict
        if attack is not None:
            batching = self.attack_batching
            compute = self._attack_once
        while taken := batching.take(stream):
            yield list(chain(*batching.run(compute, taken)))

    def _pgd(self, stream: ImageStream[ShardOwner]) -> Iterator[list[ShardTask]]:
        """Attack images by PGD; yield the shards that each step completes.

        An image takes at most eleven forward and ten backward passes. Images at different steps share a
        batch. If the protocol allows, an image leaves once the model is wrong about it, and the next image
        takes its place.

        Without a surrogate, an image gets the outputs `logits` (N, C) of its last iterate, and `always_right`
        (N,), True if the prediction was correct at the start and at every iterate. With a surrogate, it takes
        all steps there and then one pass of the judged model, and gets the outputs `raw` of that pass,
        `fools_reference` (N,), True if the surrogate was wrong at any iterate, and `always_right`, which is
        True. Both add the outputs of `_moves`.
        """
        active = ActiveSet()
        while True:
            taken = self.attack_batching.take(stream, active.owners)
            if taken:
                self.attack_batching.run(partial(self._add_starts, active), taken)
            if not len(active):
                return
            yield self._step(active)

    def _predict(self, taken: Batch[ShardOwner]) -> list[ShardTask]:
        # No inference mode: tensors that a model caches there could not take part in later gradients.
        with torch.no_grad():
            inputs = self._classifier.inputs(self._on_device(taken.contents[0]))
            raw = self._classifier.raw(inputs, is_checked=False)
        self._report_work(taken.owners, finished=taken.owners, passes=1)
        return add_outputs(taken.owners, {"raw": raw})

    def _attack_once(self, taken: Batch[ShardOwner]) -> list[ShardTask]:
        owners = taken.owners
        view = owners[0][0].view
        logits = partial(self._logits_at, view)
        pixels = self._classifier.pixels(self._on_device(taken.contents[0]))
        points = self._points(pixels)
        start = gradient(logits, points, self._labels(owners))
        self._report_work(owners, finished=(), passes=2)
        attacked = fgsm_point(points, start.direction, view.radius)
        with torch.no_grad():
            raw = self._classifier.raw(self._inputs(attacked), in_torch=True, is_checked=False)
            fools = self._fools(view, attacked, owners)
        self._report_work(owners, finished=owners, passes=1)
        outputs = {"raw": raw, "zero_gradient": start.is_zero, **self._moves(view, pixels, attacked), **fools}
        return add_outputs(owners, outputs)

    def _add_starts(self, active: ActiveSet, taken: Batch[ShardOwner]) -> None:
        """Add images and their random starts; without effect if memory runs out."""
        images, noise = map(self._on_device, taken.contents)
        pixels = self._classifier.pixels(images)
        current = pgd_start(self._points(pixels), noise)
        label = self._labels(taken.owners)
        correct = torch.ones_like(label, dtype=torch.bool)
        active.join(taken.owners, pixels=pixels, current=current, label=label, correct=correct)

    def _step(self, active: ActiveSet) -> list[ShardTask]:
        """Take one step with every image; return the tasks that are complete.

        Raises:
            ModelError: memory runs out.
        """
        parts = self.attack_batching.run(partial(self._step_part, active), range(len(active)))
        staying = [row for row in range(len(active)) if active.continues[row]]
        if len(staying) < len(active):
            try:
                active.keep(staying)
            except Exception as error:
                if not is_out_of_memory(error):
                    raise
                raise out_of_memory_error(self._classifier, len(active)) from error
        active.steps = [step + 1 for step in active.steps]
        return list(chain(*parts))

    def _step_part(self, active: ActiveSet, rows: Sequence[int]) -> list[ShardTask]:
        """Take one step with some images, and note which of them continue.

        The outputs of the others are added to their shards; those that are complete are returned.
        """
        part = slice(rows[0], rows[-1] + 1)
        current, label, is_correct = (active[name][part] for name in ("current", "label", "correct"))

        def continuing(logits: Tensor) -> list[int]:
            is_correct.logical_and_(logits.argmax(dim=1) == label)
            # The judged model may need more steps than the surrogate.
            stops = self._protocol.stops_when_fooled and self._surrogate is None
            is_open = is_correct.tolist() if stops else [True] * len(label)
            for row, may_continue in zip(rows, is_open, strict=True):
                active.continues[row] = may_continue and active.steps[row] < PGD_STEPS
            return [position for position, row in enumerate(rows) if active.continues[row]]

        view = active.owners[0][0].view
        step = gradient(partial(self._logits_at, view), current, label, continuing)
        leaving = [row for row in rows if not active.continues[row]]
        chosen = row_index([row - rows[0] for row in leaving], label.device)
        outputs = {"logits": step.logits[chosen], "always_right": is_correct[chosen]}
        if self._surrogate is not None:  # the judged model sees the last iterate alone
            with torch.no_grad():
                inputs = self._inputs(current[chosen])
                raw = step.logits[chosen]
                if len(inputs):
                    raw = self._classifier.raw(inputs, in_torch=True, is_checked=False)
            is_right = torch.ones_like(is_correct[chosen])
            outputs = {"raw": raw, "always_right": is_right, "fools_reference": ~is_correct[chosen]}
        pixels = active["pixels"][part]
        outputs |= self._moves(view, pixels[chosen], current[chosen])
        moved = pgd_step(self._points(pixels), current, step.direction, view.radius)
        # Memory may run out above, and the step is then taken again; what follows allocates nothing.
        current.copy_(moved)
        finished = [active.owners[row] for row in leaving]
        owners = [active.owners[row] for row in rows]
        self._report_work(owners, finished=finished, passes=1 + step.is_taken)
        return add_outputs(finished, outputs)

    def _labels(self, owners: Sequence[ShardOwner]) -> Tensor:
        return self._on_device(torch.tensor([task.examples[position].label for task, position in owners]))

    def _on_device(self, tensor: Tensor) -> Tensor:
        """Return a tensor on the model's device.

        On CUDA the copy runs next to the model's work.
        """
        device = self._classifier.device
        if self._copy_stream is None:
            return tensor.to(device)
        current = torch.cuda.current_stream(device)
        with torch.cuda.stream(self._copy_stream):
            copied = tensor.pin_memory().to(device, non_blocking=True)
        current.wait_stream(self._copy_stream)
        copied.record_stream(current)
        return copied

    def _report_work(
        self, owners: Sequence[ShardOwner], *, finished: Sequence[ShardOwner], passes: int
    ) -> None:
        """Report a part of a batch.

        Args:
            owners: the images.
            finished: those that are finished.
            passes: passes of each image.
        """
        n_finished = Counter(task.view for task, _ in finished)
        for view, count in Counter(task.view for task, _ in owners).items():
            self._report(view, n_finished[view], passes * count)

    def logits(self, raw: Tensor, view: View) -> Tensor:
        """Convert outputs of the model to logits.

        Raises:
            ModelError: they are of another kind than those of earlier images, which would make their
                probabilities wrong.
        """
        classifier = self._classifier
        if classifier.outputs is None:
            classifier.outputs = classifier.output_kind(raw)
        stated = classifier.stated_outputs
        if classifier.outputs != "logits":
            kind = classifier.output_kind(raw)
            is_other = SPECIFIC_TO_GENERAL.index(kind) > SPECIFIC_TO_GENERAL.index(classifier.outputs)
            if is_other and (stated is None or kind == "logits"):
                raise ModelError(
                    f"the outputs were taken for {classifier.outputs}{' as stated' if stated else ''}, "
                    f"but those for {view} are {kind}. State outputs: "
                    f"{kind if stated else ', '.join(OUTPUT_KINDS)}, in quba_config or the "
                    "preprocessing file.",
                    where=classifier.spec,
                )
        return classifier.logits(raw)

    def _points(self, pixels: Tensor) -> Tensor:
        """Return pixels in the space of an attack: pixel values, or the model's normalised input."""
        return pixels if self._in_pixels else self._classifier.normalise(pixels)

    def _inputs(self, points: Tensor) -> Tensor:
        # A model may change its input in place, and the points are used again.
        return self._classifier.normalise(points) if self._in_pixels else points.clone()

    def _fools(self, view: View, points: Tensor, owners: Sequence[ShardOwner]) -> dict[str, Tensor]:
        """Return (N,) True for the attacked images that the surrogate gets wrong; nothing without one."""
        if self._surrogate is None:
            return {}
        return {"fools_reference": self._logits_at(view, points).argmax(dim=1) != self._labels(owners)}

    def _logits_at(self, view: View, points: Tensor) -> Tensor:
        other = self._surrogate
        if other is not None:
            inputs = other.normalise(points.to(other.device))
            return other.logits(other.raw(inputs, exact=True, is_checked=False)).to(points.device)
        return self.logits(self._classifier.raw(self._inputs(points), exact=True, is_checked=False), view)

    def _moves(self, view: View, pixels: Tensor, points: Tensor) -> dict[str, Tensor]:
        """Return the extent of attacked pixels, or the pixel moves of an attack on inputs."""
        if self._in_pixels:
            return {"extent": extents(pixels, points)}
        move = (self._classifier.denormalise(points) - pixels).abs().flatten(1)
        return {"moved": move.amax(dim=1), "moved_share": (move > view.radius + 1e-6).float().mean(dim=1)}


class ActiveSet:
    """A batch of images under attack, which images join and leave.

    Attributes:
        owners: shard and position of each image.
        steps: number of steps taken with each image.
        continues: True for each image whose attack continues after the present step.
    """

    def __init__(self) -> None:
        self.owners: list[ShardOwner] = []
        self.steps: list[int] = []
        self.continues: list[bool] = []
        self._tensors: dict[str, Tensor] = {}

    def __len__(self) -> int:
        return len(self.owners)

    def __getitem__(self, name: str) -> Tensor:
        return self._tensors[name]

    def join(self, owners: Sequence[ShardOwner], **tensors: Tensor) -> None:
        """Add images at step 0; without effect if memory runs out.

        Args:
            owners: shard and position of each image.
            tensors: by name, each with a row for every image; the same names at each call.
        """
        if len(self):
            tensors = {name: torch.cat([self._tensors[name], tensor]) for name, tensor in tensors.items()}
        self._tensors = tensors
        self.owners += owners
        self.steps += [0] * len(owners)
        self.continues += [True] * len(owners)

    def keep(self, rows: Sequence[int]) -> None:
        """Remove all images but those in these rows; without effect if memory runs out."""
        index = row_index(rows, next(iter(self._tensors.values())).device)
        self._tensors = {name: tensor[index] for name, tensor in self._tensors.items()}
        self.owners = [self.owners[row] for row in rows]
        self.steps = [self.steps[row] for row in rows]
        self.continues = [self.continues[row] for row in rows]
