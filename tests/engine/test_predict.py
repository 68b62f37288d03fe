"""Passes across shards: PGD with images that leave agrees with PGD on all images at once.

The network and its images are those of `golden_attacks.npz`; see `test_attacks.py`.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import chain
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from support.errors import error_text, raising
from support.loaded_models import prepared
from support.shard_requests import request
from support.simulated_gpu import simulated_gpu
from syrupy.assertion import SnapshotAssertion
from torch import nn

from quba_check.core.classes import Head
from quba_check.core.facts import ModelFacts
from quba_check.core.protocols import PGD_STEPS, RELEASED, STANDARD, Protocol
from quba_check.core.view import CLEAN, FGSM, PGD, View
from quba_check.engine import predict
from quba_check.engine.attacks import start_noise
from quba_check.engine.batching import ImageStream
from quba_check.engine.predict import ActiveSet, Passes
from quba_check.engine.preparer import stacked
from quba_check.engine.shards import ShardOwner, ShardTask
from quba_check.engine.worker import _one_batch_late
from quba_check.errors import ModelError
from quba_check.models.classifier import Classifier
from quba_check.models.compute import ComputeSettings

needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
SHARDS = (50, 78)
SEED = 3
HALF = Fraction(4, 255)
VIEWS = {"plain": CLEAN, "fgsm": FGSM, "pgd": PGD}
VIEWS |= {"half fgsm": replace(FGSM, epsilon=HALF), "half pgd": replace(PGD, epsilon=HALF)}


class GoldenNet(nn.Module):
    """The network of the golden file, with a limit on the images that memory holds."""

    def __init__(self, data: dict[str, np.ndarray]) -> None:
        super().__init__()
        for name in data:
            if "_" in name:
                self.register_buffer(name, torch.from_numpy(data[name]))
        self.most_images = 1000
        self.forwards = 0

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        if len(inputs) > self.most_images:
            raise torch.OutOfMemoryError("full")
        self.forwards += len(inputs)
        features = torch.tanh(F.conv2d(inputs, self.conv_weight, self.conv_bias, padding=1))
        return F.linear(F.adaptive_avg_pool2d(features, 4).flatten(1), self.linear_weight, self.linear_bias)


class Setting:
    """A classifier, images in two shards, and their passes."""

    def __init__(self, protocol: Protocol, batch_size: int | None = 16, device: str = "cpu") -> None:
        data = dict(np.load(Path(__file__).with_name("golden_attacks.npz")))
        self.images = torch.from_numpy(data["images"])
        self.labels = data["labels"].astype(np.int64)
        self.module = GoldenNet(data).to(device)
        mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
        preprocessing = prepared(input_size=(3, 16, 16), mean=mean, std=std)
        self.classifier = Classifier(
            spec="golden",
            name="golden",
            module=self.module,
            preprocessing=preprocessing,
            fingerprint="",
            checksum="",
            head=Head(10),
            facts=ModelFacts(0, 0),
            device=torch.device(device),
            outputs="logits",
        )
        self.reports: list[tuple[View, int, int]] = []
        self.passes = Passes(self.classifier, protocol, batch_size, self.report)

    def report(self, view: View, images: int, passes: int) -> None:
        self.reports.append((view, images, passes))

    def tasks(self, view: View) -> list[ShardTask]:
        starts = [0, SHARDS[0]]
        examples = [SimpleNamespace(index=k, label=int(label)) for k, label in enumerate(self.labels)]
        return [
            ShardTask(
                request(view, number, examples[start : start + size]),
                SimpleNamespace(image=lambda position, start=start: self.images[start + position]),
            )
            for number, (start, size) in enumerate(zip(starts, SHARDS, strict=True))
        ]

    def stream(self, tasks: list[ShardTask], *, starts: bool = False) -> ImageStream:
        """Return the images of tasks."""

        def read(owners: Sequence[ShardOwner]):
            images = torch.stack([task.images.image(position) for task, position in owners])
            shape = tuple(images.shape[1:])
            noises = [
                start_noise(shape, task.examples[position].index, SEED, task.view.radius)
                for task, position in owners
            ]
            return (images, torch.stack(noises)) if starts else (images,)

        jobs = ([(task, position)] for task in tasks for position in range(len(task.examples)))
        return ImageStream(jobs, read, 32, None)

    def run(self, kind: str, tasks: list[ShardTask] | None = None) -> Iterator[list[ShardTask]]:
        """Pass the images of tasks through the passes of a kind of view; yield complete tasks."""
        tasks = tasks or self.tasks(VIEWS[kind])
        return self.passes.run(VIEWS[kind].attack, self.stream(tasks, starts=VIEWS[kind].attack == "pgd"))

    def outputs(self, kind: str) -> dict[str, torch.Tensor]:
        """Return the outputs of all images."""
        tasks = self.tasks(VIEWS[kind])
        complete = [task for batch in self.run(kind, tasks) for task in batch]
        assert sorted(task.request.key.shard for task in complete) == [0, 1]
        assert all(task.is_complete for task in tasks)
        first, second = (task.outputs for task in tasks)
        return {name: torch.cat([first[name], second[name]]) for name in first}


def steps_taken(correct: torch.Tensor) -> torch.Tensor:
    """Return the first iterate that fools the model, else the last one, (N,)."""
    return torch.where(correct.all(0), PGD_STEPS, (~correct).int().argmax(0))


@pytest.mark.parametrize("batch_size", [7, 16, 1000])
def test_images_leave_once_they_are_fooled(batch_size: int) -> None:
    setting = Setting(STANDARD, batch_size)
    _, everywhere = attacked(setting, STANDARD)
    correct = everywhere.argmax(2) == torch.from_numpy(setting.labels)
    taken = steps_taken(correct)
    assert 5 < int(correct.all(0).sum()) < 123
    outputs = setting.outputs("pgd")
    torch.testing.assert_close(outputs["logits"], everywhere[taken, torch.arange(128)], rtol=1e-4, atol=1e-4)
    assert torch.equal(outputs["always_right"], correct.all(0))
    assert torch.equal(outputs["logits"].argmax(1) == torch.from_numpy(setting.labels), correct.all(0))


def test_under_the_released_protocol_every_image_takes_all_steps() -> None:
    setting = Setting(RELEASED)
    _, everywhere = attacked(setting, RELEASED)
    correct = everywhere.argmax(2) == torch.from_numpy(setting.labels)
    setting.module.forwards = 0
    outputs = setting.outputs("pgd")
    torch.testing.assert_close(outputs["logits"], everywhere[-1], rtol=1e-4, atol=1e-4)
    assert torch.equal(outputs["always_right"], correct.all(0))
    assert set(outputs) == {"logits", "always_right", "moved", "moved_share"}
    assert setting.module.forwards == 11 * 128
    assert sum(passes for _, _, passes in setting.reports) == 21 * 128


def attacked(
    setting: Setting, protocol: Protocol, size: float = 8 / 255
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return logits under FGSM (N, C), and those along PGD (11, N, C), by a loop of its own."""
    mean, std = (torch.tensor(one).view(3, 1, 1) for one in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    pixels = setting.images / 255
    label = torch.from_numpy(setting.labels)
    in_pixels = protocol is STANDARD
    points = pixels if in_pixels else (pixels - mean) / std

    def logits_and_signs(at: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        at = at.clone().requires_grad_()
        logits = setting.module((at - mean) / std if in_pixels else at)
        F.cross_entropy(logits, label, reduction="sum").backward()
        return logits.detach(), at.grad.sign()

    fgsm = (points + size * logits_and_signs(points)[1]).clamp(0, 1)
    # Moves of another size come from the same random numbers.
    noise = torch.stack([start_noise((3, 16, 16), index, SEED, 8 / 255) for index in range(128)])
    current = (points + noise * (size / (8 / 255))).clamp(0, 1)
    visited = []
    for _ in range(10):
        logits, signs = logits_and_signs(current)
        visited.append(logits)
        moved = current + size / 4 * signs
        current = torch.minimum(torch.maximum(moved, points - size), points + size).clamp(0, 1)
    return logits_and_signs(fgsm)[0], torch.stack([*visited, logits_and_signs(current)[0]])


@pytest.mark.parametrize("protocol", [STANDARD, RELEASED])
def test_attacks_of_half_the_size_are_those_of_a_loop(protocol: Protocol) -> None:
    setting = Setting(protocol)
    label = torch.from_numpy(setting.labels)
    fgsm, visited = (logits.argmax(-1) for logits in attacked(setting, protocol, 4 / 255))
    found = setting.outputs("half fgsm")
    usual = Setting(protocol).outputs("fgsm")
    assert torch.equal(found["raw"].argmax(1), fgsm)
    assert not torch.equal(usual["raw"].argmax(1), fgsm)
    pgd = setting.outputs("half pgd")
    is_right = (visited == label).all(0)
    assert torch.equal(pgd["always_right"], is_right)
    if protocol is STANDARD:
        assert 4 / 255 - 1e-6 < float(found["extent"][:, 2].max()) < 4 / 255 + 1e-6
        assert torch.equal(pgd["logits"].argmax(1) == label, is_right)
    else:
        assert torch.equal(pgd["logits"].argmax(1), visited[-1])


def test_passes_of_an_attack_are_counted() -> None:
    setting = Setting(STANDARD, 1)
    taken = steps_taken(attacked(setting, STANDARD)[1].argmax(2) == torch.from_numpy(setting.labels))
    setting.module.forwards = 0
    setting.outputs("pgd")
    forwards = int(taken.sum()) + 128
    backwards = int(taken.sum())
    assert setting.module.forwards == forwards
    assert sum(passes for _, _, passes in setting.reports) == forwards + backwards
    assert sum(images for _, images, _ in setting.reports) == 128
    assert forwards + backwards < 21 * 128


def test_images_of_views_in_one_batch_are_reported_under_their_own() -> None:
    setting = Setting(STANDARD)
    tasks = setting.tasks(PGD)
    tasks[1].view = replace(PGD, set="others")
    assert len([task for complete in setting.run("pgd", tasks) for task in complete]) == 2
    finished: Counter[View] = Counter()
    for view, images, _ in setting.reports:
        finished[view] += images
    assert [finished[task.view] for task in tasks] == [*SHARDS]


def test_batches_of_an_attack_stay_full_until_the_images_end() -> None:
    setting = Setting(STANDARD, 16)
    sizes: list[int] = []
    forward = setting.module.forward
    setting.module.forward = lambda inputs: (sizes.append(len(inputs)), forward(inputs))[1]
    setting.outputs("pgd")
    assert sizes == sorted(sizes, reverse=True)
    assert sizes.count(16) > len(sizes) / 2


@pytest.mark.parametrize("run", ["plain", "fgsm", "pgd"])
def test_memory_that_runs_out_changes_no_output(run: str) -> None:
    usual = Setting(STANDARD, None)
    small = Setting(STANDARD, None)
    small.module.most_images = 5
    first = usual.outputs(run)
    second = small.outputs(run)
    batching = small.passes.batching if run == "plain" else small.passes.attack_batching
    assert batching.size == 4
    torch.testing.assert_close(first, second, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", ["pgd_start", "pgd_step", "extents"])
def test_memory_that_runs_out_outside_of_the_model_changes_no_output(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = Setting(STANDARD, None)
    expected = expected.outputs("pgd")
    function = getattr(predict, name)

    def limited(points: torch.Tensor, *others: torch.Tensor) -> torch.Tensor:
        if len(points) > 4:
            raise torch.OutOfMemoryError("full")
        return function(points, *others)

    monkeypatch.setattr(predict, name, limited)
    setting = Setting(STANDARD, None)
    outputs = setting.outputs("pgd")
    assert setting.passes.attack_batching.size < 16
    torch.testing.assert_close(outputs, expected, rtol=1e-4, atol=1e-4)


def test_memory_that_runs_out_while_images_leave_is_reported(
    monkeypatch: pytest.MonkeyPatch, snapshot: SnapshotAssertion
) -> None:
    monkeypatch.setattr(ActiveSet, "keep", raising(torch.OutOfMemoryError("full")))
    setting = Setting(STANDARD, None)
    assert error_text(ModelError, setting.outputs, "pgd") == snapshot


def test_fgsm_moves_images_along_the_gradient() -> None:
    setting = Setting(STANDARD)
    outputs = setting.outputs("fgsm")
    torch.testing.assert_close(outputs["raw"], attacked(setting, STANDARD)[0], rtol=1e-4, atol=1e-4)
    assert outputs["extent"][:, 2].max() <= 8 / 255 + 1e-6
    assert not outputs["zero_gradient"].any()
    assert sum(images for _, images, _ in setting.reports) == 128
    assert sum(passes for _, _, passes in setting.reports) == 3 * 128


def test_unattacked_images_take_one_pass_each() -> None:
    setting = Setting(STANDARD, 16)
    outputs = setting.outputs("plain")
    assert setting.module.forwards == 128
    assert [images for _, images, _ in setting.reports] == [16] * 8
    expected = setting.module(setting.classifier.normalise(setting.images.float().div(255)))
    torch.testing.assert_close(outputs["raw"], expected)


def test_the_input_of_unattacked_images_has_the_bits_of_the_differentiable_one() -> None:
    setting = Setting(STANDARD)
    pixels = setting.images.float().div(255)
    expected = (pixels - setting.classifier._mean) / setting.classifier._std
    last = {"memory_format": torch.channels_last}
    for images in (setting.images, setting.images.contiguous(**last)):
        for channels_last in (False, True):
            setting.classifier.compute = ComputeSettings(channels_last=channels_last)
            inputs = setting.classifier.inputs(images)
            assert torch.equal(inputs, expected)
            assert inputs.is_contiguous(**(last if channels_last else {}))
    assert torch.equal(setting.classifier.normalise(pixels.contiguous(**last)), expected)


def test_batches_of_images_with_the_channels_last_keep_their_pixels() -> None:
    setting = Setting(STANDARD)
    images = [image.contiguous() for image in setting.images[:3]]
    last = [image.permute(1, 2, 0).contiguous().permute(2, 0, 1) for image in images]
    for batch in (stacked(images), stacked(last), torch.cat([stacked(last[:2]), stacked(last[2:])])):
        assert torch.equal(batch, torch.stack(images))
        assert batch.is_contiguous(memory_format=torch.channels_last)


@needs_cuda
@pytest.mark.parametrize("run", ["plain", "fgsm", "pgd"])
def test_a_gpu_gives_the_outputs_of_the_cpu(run: str) -> None:
    first = Setting(STANDARD).outputs(run)
    second = Setting(STANDARD, device="cuda:0").outputs(run)
    torch.testing.assert_close(first, second, rtol=1e-3, atol=1e-3, check_device=False)


@needs_cuda
@pytest.mark.parametrize(("run", "protocol"), [("plain", STANDARD), ("fgsm", STANDARD), ("pgd", RELEASED)])
def test_a_pass_never_waits_for_the_gpu(run: str, protocol: Protocol) -> None:
    setting = Setting(protocol, device="cuda:0")
    complete = setting.run(run)
    torch.cuda.set_sync_debug_mode("error")
    try:
        for task in chain.from_iterable(complete):
            task.fetch()
    finally:
        torch.cuda.set_sync_debug_mode("default")


@pytest.mark.parametrize("protocol", [STANDARD, RELEASED])
@pytest.mark.parametrize("run", ["plain", "fgsm", "pgd"])
def test_results_are_fetched_while_the_device_computes(
    run: str, protocol: Protocol, monkeypatch: pytest.MonkeyPatch
) -> None:
    setting = Setting(protocol)
    expected = [task.outputs for task in _one_batch_late(setting.run(run))]
    reports = setting.reports
    with simulated_gpu(monkeypatch) as gpu:
        setting = Setting(protocol, device="cuda:0")
        gpu.reset()
        actual = [task.outputs for task in _one_batch_late(setting.run(run))]
    assert setting.reports == reports
    for ours, other in zip(actual, expected, strict=True):
        assert all(torch.equal(ours[name], other[name]) for name in other)
    # PGD asks after each forward pass which images are fooled; nothing else waits inside of a batch.
    steps = len(reports) if run == "pgd" and protocol.stops_when_fooled else 0
    assert Counter(wait.cause for wait in gpu.waits) == Counter({"event": len(SHARDS), "tolist": steps})
    assert [wait.left > 0 for wait in gpu.waits if wait.cause == "event"] == [True, False]
    assert gpu.from_device == steps + len(SHARDS) * len(expected[0])


@pytest.mark.parametrize(("run", "copies"), [("plain", 1), ("fgsm", 2)])
def test_a_batch_is_copied_to_the_device_once(run: str, copies: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its images, and for an attack its labels."""
    with simulated_gpu(monkeypatch) as gpu:
        setting = Setting(STANDARD, device="cuda:0")
        gpu.reset()
        assert len(list(setting.run(run))) == 8
    assert gpu.to_device == 8 * copies
    assert gpu.waits == []


def test_an_attack_on_probabilities_waits_once_for_each_gradient(monkeypatch: pytest.MonkeyPatch) -> None:
    """The kind of its outputs is checked on every batch."""
    with simulated_gpu(monkeypatch) as gpu:
        setting = Setting(STANDARD, device="cuda:0")
        forward = setting.module.forward
        setting.classifier.outputs = "probabilities"
        setting.module.forward = lambda inputs: forward(inputs).softmax(dim=1)
        gpu.reset()
        assert len(list(setting.run("fgsm"))) == 8
    assert [wait.cause for wait in gpu.waits] == ["cpu"] * 8


def test_a_step_of_pgd_waits_once(monkeypatch: pytest.MonkeyPatch) -> None:
    with simulated_gpu(monkeypatch) as gpu:
        setting = Setting(STANDARD, device="cuda:0")
        gpu.reset()
        steps = list(setting.run("pgd"))
    assert [wait.cause for wait in gpu.waits] == ["tolist"] * len(steps)
    # Images, noise and labels that join, and the rows with a gradient, those that leave and those that stay.
    assert gpu.to_device <= 6 * len(steps)


def test_classes_are_selected_without_a_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    scores = torch.arange(8.0).reshape(2, 4)
    with simulated_gpu(monkeypatch) as gpu:
        classifier = replace(
            Setting(STANDARD, device="cuda:0").classifier, head=Head(2, columns=(3, 1), of=4)
        )
        on_gpu = scores.to("cuda:0")
        for values in (on_gpu, scores):
            assert classifier.select_classes(values).tolist() == [[3, 1], [7, 5]]
        gpu.reset()
        classifier.select_classes(on_gpu)
        classifier.select_classes(scores)
    assert (gpu.to_device, gpu.from_device, gpu.waits) == (0, 0, [])


def active_set(*rows: int) -> ActiveSet:
    active = ActiveSet()
    active.join([(None, row) for row in rows], pixels=torch.tensor(rows), label=torch.tensor(rows))
    return active


def rows_of(active: ActiveSet) -> list[list[int]]:
    return [[row for _, row in active.owners], active["pixels"].tolist(), active["label"].tolist()]


def test_images_join_and_leave() -> None:
    active = active_set(0, 1, 2)
    active.steps = [3, 4, 5]
    active.keep([0, 2])
    active.join([(None, 7)], pixels=torch.tensor([7]), label=torch.tensor([7]))
    assert rows_of(active) == [[0, 2, 7]] * 3
    assert (active.steps, active.continues) == ([3, 5, 0], [True] * 3)


@pytest.mark.parametrize("change", ["join", "keep"])
def test_images_stay_as_they_are_if_memory_runs_out(change: str, monkeypatch: pytest.MonkeyPatch) -> None:
    active = active_set(0, 1, 2)
    calls = []

    def once(function):
        def call(*arguments, **options):
            calls.append(function)
            if len(calls) == {"join": 2, "keep": 1}[change]:
                raise torch.OutOfMemoryError("full")
            return function(*arguments, **options)

        return call

    with monkeypatch.context() as patch:
        patch.setattr(torch, "cat", once(torch.cat))
        patch.setattr(torch, "tensor", once(torch.tensor))
        new = torch.ones(1)
        with pytest.raises(torch.OutOfMemoryError):
            active.keep([0]) if change == "keep" else active.join([(None, 7)], pixels=new, label=new)
    assert rows_of(active) == [[0, 1, 2]] * 3
    assert len(active.steps) == len(active.continues) == 3
