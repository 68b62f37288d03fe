"""Rows on a GPU: the model alone, decoding alone, and the engine against both.

Without a card the same functions run on the CPU in a small form, whose numbers are no estimate for a card.
Times are wall time until the device has finished.
"""

from __future__ import annotations

import os
import shutil
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.autograd import DeviceType
from torch.autograd.profiler_util import FunctionEvent
from torch.profiler import profile
from torchvision.io import ImageReadMode, decode_jpeg

from benchmarks.attacks import ALL_PASSES, Passes, after_all_steps
from benchmarks.machine import by_torchvision, jpegs
from benchmarks.material import INPUT_SIDE, prepared, random_model, write_array_suite, write_manifest
from benchmarks.measuring import Ratio, seconds_of
from benchmarks.row import Row
from benchmarks.work import MOBILENET, Work, request
from quba_check.core.view import CLEAN, CORRUPTIONS, CORRUPTIONS_SET, FGSM, PGD, SEVERITIES, View
from quba_check.engine.attacks import start_noise
from quba_check.engine.batching import Batching, default_batch, default_threads
from quba_check.engine.compute_choice import half_precisions
from quba_check.engine.preparer import Preparer
from quba_check.evaluation import Evaluation
from quba_check.models.classifier import Classifier
from quba_check.models.compute import device_name, pin_arithmetic, resolve_device
from quba_check.models.errors import error_summary, is_out_of_memory
from quba_check.models.loading import load_classifier
from quba_check.suites.opening import open_suite
from quba_check.suites.suite import Suite

LEAST_END_TO_END = 0.85
FIRST_BATCH = 32
MOST_IMAGES = 2**14
NEEDS_CUDA = "needs a CUDA device"
_SYNCHRONISED = ("cudaStreamSynchronize", "cudaDeviceSynchronize", "cudaEventSynchronize")
COUNTED = {
    True: ("copies to the device and waits for it", "Memcpy HtoD", _SYNCHRONISED),
    False: ("conversions and reads of single values", "aten::_to_copy", "aten::_local_scalar_dense"),
}
"""Events of torch.profiler that are counted, with CUDA and without: in words, copies, and waits."""
CORRUPTED = [
    View(CORRUPTIONS_SET, corruption=name, severity=severity)
    for name in CORRUPTIONS
    for severity in SEVERITIES
]


@dataclass(frozen=True)
class Form:
    """Sizes of the measurements.

    Attributes:
        architecture: timm name of the model; its weights are random.
        photos: photos of the passes end to end.
        attacked: images under FGSM and PGD.
        corrupted: photos under all 75 corruptions.
        batches: batches of the passes of the model alone.
        repetitions: calls of which the fastest counts.
    """

    architecture: str
    photos: int
    attacked: int
    corrupted: int
    batches: int
    repetitions: int


CARD = Form("resnet50", photos=5_000, attacked=512, corrupted=32, batches=4, repetitions=3)
APPLE = replace(CARD, photos=1_000, attacked=64, corrupted=8, repetitions=2)
SMALL = Form(MOBILENET, photos=256, attacked=16, corrupted=2, batches=4, repetitions=2)


def rows(work: Work) -> Iterator[Row]:
    """Yield the rows on the best device of this machine."""
    device = resolve_device("auto")
    form = {"cuda": CARD, "mps": APPLE}.get(device.type, SMALL)
    if device.type != "cpu":  # as in a run
        torch.set_num_threads(os.cpu_count() or 1)
    pin_arithmetic(device)  # float32 without TF32, also for the model alone
    yield Row("gpu: device", device_name(device), f"{torch.get_num_threads()} threads of torch")
    yield from model_rows(form, device)
    yield from decoding_rows(device, form.repetitions)
    yield from end_to_end_rows(work, form)
    yield attack_row(work, form)
    yield corruption_row(work, form)
    yield from transfer_rows(work, form)


def fastest(function: Callable[[], object], device: torch.device, repetitions: int) -> float:
    """Return the least wall seconds of a call until the device has finished."""

    def call() -> None:
        function()
        synchronise(device)

    synchronise(device)
    return min(seconds_of(call) for _ in range(repetitions))


def synchronise(device: torch.device) -> None:
    """Wait until the device has finished."""
    if device.type != "cpu":
        torch.get_device_module(device).synchronize()


def model_rows(form: Form, device: torch.device) -> Iterator[Row]:
    """Yield the rows on the model alone, against eager float32 passes in the contiguous format."""
    title = f"model alone, {form.architecture}"
    model = random_model(form.architecture).to(device)
    usual = default_batch(device)
    if device.type == "cuda":
        size, end = largest_batch(lambda images: forward(model, blank(images, device)))
        largest, engine = (
            fastest(partial(forward, model, blank(images, device)), device, form.repetitions) / images
            for images in (size, usual)
        )
        details = f"{rates(1, largest, engine)}; the search ends with: {end}"
        what = f"batches of {size}, the largest ones, against {usual}"
        yield ratio_row(f"{title}: {what}", largest, engine, details)
    else:
        yield Row.unmeasured(f"gpu: {title}: the largest batches against {usual}", NEEDS_CUDA)
    dtype, half = (torch.float16, "fp16") if device.type == "mps" else (torch.bfloat16, "bf16")
    batch = blank(usual, device)
    base = fastest(lambda: forward(model, batch, form.batches), device, form.repetitions)
    for way in ("channels_last", half, f"{half}, channels_last", f"{half}, channels_last, compiled"):
        what = f"{title}: {way} against eager float32"
        if "compiled" in way and device.type != "cuda":
            yield Row.unmeasured(f"gpu: {what}", f"{NEEDS_CUDA}: compiling takes longer than the small form")
            continue
        layout = torch.channels_last if "channels_last" in way else torch.contiguous_format
        changed = random_model(form.architecture).to(device, memory_format=layout)
        module = torch.compile(changed) if "compiled" in way else changed
        inputs = batch.contiguous(memory_format=layout)
        autocast = dtype if half in way else None
        call = partial(forward, module, inputs, form.batches, autocast)
        try:
            seconds = fastest(call, device, form.repetitions)
        except RuntimeError as error:  # torch.compile needs a compiler on this machine
            yield Row.unmeasured(f"gpu: {what}", error_summary(error))
            continue
        details = f"{rates(form.batches * usual, seconds, base)}; batches of {usual}"
        yield ratio_row(what, seconds, base, details)


def forward(
    module: Callable[[torch.Tensor], object],
    batch: torch.Tensor,
    count: int = 1,
    dtype: torch.dtype | None = None,
) -> None:
    """Predict the same batch several times, without gradients."""
    with torch.no_grad(), torch.autocast(batch.device.type, dtype=dtype, enabled=dtype is not None):
        for _ in range(count):
            module(batch)


def blank(size: int, device: torch.device, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    """Return a batch of black images, (size, 3, H, W)."""
    return torch.zeros(size, 3, INPUT_SIDE, INPUT_SIDE, dtype=dtype, device=device)


def largest_batch(run: Callable[[int], object]) -> tuple[int, str]:
    """Return the largest batch that runs, found by doubling, and what ended the search."""
    size = FIRST_BATCH
    end = "its limit"
    try:
        while size <= MOST_IMAGES:
            run(size)
            size *= 2
    except RuntimeError as error:
        # Kernels with indices of 32 bits may fail before the memory is full.
        end = "out of memory" if is_out_of_memory(error) else error_summary(error)
    torch.cuda.empty_cache()
    return size // 2, end


def decoding_rows(device: torch.device, repetitions: int) -> Iterator[Row]:
    """Yield the rows on decoding alone, by threads and on the device."""
    cores = os.cpu_count() or 1
    cpu = torch.device("cpu")
    count = len(jpegs())
    seconds: dict[int, float] = {}
    for threads in sorted({*(2**power for power in range(cores.bit_length())), cores}):
        with ThreadPoolExecutor(threads) as pool:
            files = jpegs() * threads  # as long for each number of threads
            call = partial(consume, pool, by_torchvision, files)
            seconds[threads] = fastest(call, cpu, repetitions) / threads
        if threads > 1:
            what = f"decoding alone by torchvision, {threads} threads against one"
            spent = seconds[threads]
            yield ratio_row(what, spent, seconds[1], rates(count, spent, seconds[1]))
    best = min(seconds, key=lambda threads: seconds[threads])
    what = f"decoding alone, decode_jpeg on the device against {best} threads"
    if device.type != "cuda":
        yield Row.unmeasured(f"gpu: {what}", NEEDS_CUDA)
        return
    encoded = [torch.frombuffer(bytearray(jpeg), dtype=torch.uint8) for jpeg in jpegs()]
    try:
        spent = fastest(
            lambda: decode_jpeg(encoded, mode=ImageReadMode.RGB, device=device), device, repetitions
        )
    except RuntimeError as error:  # torchvision may come without nvJPEG
        yield Row.unmeasured(f"gpu: {what}", error_summary(error))
        return
    yield ratio_row(what, spent, seconds[best], rates(count, spent, seconds[best]))


def consume(pool: ThreadPoolExecutor, function: Callable[[Any], object], items: Iterable[Any]) -> None:
    """Call a function for all items, in threads, and drop the results."""
    deque(pool.map(function, items), maxlen=0)


def end_to_end_rows(work: Work, form: Form) -> Iterator[Row]:
    """Yield the rows on the first and second pass over photos, against what they need at least."""
    suite = write_photos(work.new_folder(), form.photos)
    classifier = classifier_for(work, form, suite)
    device = classifier.device
    examples = suite.examples(CLEAN)
    model = form.photos * seconds_of_model(classifier, form)
    prepare = Preparer(suite, classifier).of(CLEAN, crop=True)
    with ThreadPoolExecutor(threads := default_threads(device)) as pool:
        reading = fastest(lambda: consume(pool, prepare, examples), device, form.repetitions)
    first = []
    second = []
    for _ in range(form.repetitions):
        store = work.new_folder()
        call = partial(predict, classifier, suite, store, [CLEAN])
        first.append(fastest(call, device, 1))
        shutil.rmtree(store / "predictions")  # the prepared images stay
        second.append(fastest(call, device, 1))
    sides = (
        ("first pass: share of the slower of model alone and reading alone", min(first), max(model, reading)),
        ("second pass, prepared images kept: share of the model alone", min(second), model),
    )
    for what, spent, bound in sides:
        details = f"{rates(form.photos, spent, bound)}; {form.architecture} in {classifier.compute.precision}"
        details += f" alone {model:.1f} s, reading and resizing in {threads} threads {reading:.1f} s"
        least = None if device.type == "cpu" else LEAST_END_TO_END
        yield ratio_row(f"{form.photos:,} JPEG photos end to end, {what}", spent, bound, details, least)


def write_photos(folder: Path, count: int) -> Suite:
    """Write a suite of JPEG photos with generated corruptions."""
    (folder / "val" / "n01440764").mkdir(parents=True)
    for number, jpeg in zip(range(count), cycle(jpegs()), strict=False):
        # Bytes after the end of an image make each file another one.
        (folder / "val" / "n01440764" / f"{number:05d}.jpg").write_bytes(jpeg + number.to_bytes(4))
    return write_manifest(folder, "photos", generates=True)


def classifier_for(work: Work, form: Form, suite: Suite) -> Classifier:
    """Load the model with the settings of `auto`, without the check that half precision needs."""
    load = request(suite, form.architecture, exact=False)
    classifier = load_classifier(str(work.checkpoint(form.architecture)), load)
    classifier.use(classifier.rule((*half_precisions(classifier.device), "fp32")[0]))
    return classifier


def predict(classifier: Classifier, suite: Suite, store: Path, views: Sequence[View]) -> None:
    """Predict views as a run does, into a store."""
    Evaluation(classifier, suite, store=store).engine.predictions(views)


def seconds_of_model(classifier: Classifier, form: Form) -> float:
    """Return the seconds of an image in the engine's batches and settings, with the images on the device."""
    size = Batching(classifier, None).size
    device = classifier.device
    images = blank(size, device, torch.uint8)

    def raw(batch: torch.Tensor) -> torch.Tensor:
        return classifier.raw(classifier.inputs(batch), is_checked=False)

    return fastest(lambda: forward(raw, images, form.batches), device, form.repetitions) / form.batches / size


def attack_row(work: Work, form: Form) -> Row:
    """Return the row on FGSM and PGD against a loop that takes every step."""
    classifier, suite = labelled_by_model(work, form)
    device = classifier.device
    size = Batching(classifier, None, has_gradients=True).size
    images = torch.from_numpy(np.load(suite.root / "x.npy")).permute(0, 3, 1, 2)
    label = torch.from_numpy(np.load(suite.root / "y.npy"))
    noise = torch.stack(
        [start_noise(tuple(images.shape[1:]), number, 0, PGD.radius) for number in range(len(images))]
    )

    def loop() -> None:
        for parts in zip(images.split(size), label.split(size), noise.split(size), strict=True):
            batch, wanted, start = (part.to(device) for part in parts)
            pixels = classifier.pixels(batch)
            after_all_steps(classifier, pixels, wanted, torch.zeros_like(start), steps=1, move=FGSM.radius)
            after_all_steps(classifier, pixels, wanted, start).tolist()

    passes = Passes()
    passes.watch(classifier.module)
    views = [FGSM, PGD]
    ours = fastest(lambda: predict(classifier, suite, work.new_folder(), views), device, form.repetitions)
    each = passes.images / len(images) / form.repetitions
    other = fastest(loop, device, form.repetitions)
    all_passes = ALL_PASSES + 3
    details = (
        f"{rates(len(images), ours, other)}; {each:.1f} passes an image instead of {all_passes}, "
        f"{other / all_passes * each / ours:.2f} of the loop's passes/s; {form.architecture} of random "
        f"weights, images decoded already, batches of {size}, float32"
    )
    title = "FGSM and PGD through the engine against a loop that takes every step"
    return ratio_row(title, ours, other, details)


def labelled_by_model(work: Work, form: Form) -> tuple[Classifier, Suite]:
    """Return the model, and decoded photos whose labels are its answers."""
    photos = np.stack([np.asarray(prepared(number)) for number in range(form.attacked)])
    suite = write_array_suite(work.new_folder() / "decoded", photos)
    classifier = classifier_for(work, form, suite)
    predictions = Evaluation(classifier, suite, store=work.new_folder()).engine.predictions([CLEAN])
    np.save(suite.root / "y.npy", predictions[CLEAN].predicted)
    return classifier, open_suite(suite.root)


def corruption_row(work: Work, form: Form) -> Row:
    """Return the row on all corruptions, made while the model predicts, against the model alone."""
    suite = write_photos(work.new_folder(), form.corrupted)
    classifier = classifier_for(work, form, suite)
    count = len(CORRUPTED) * form.corrupted
    spent = fastest(partial(predict, classifier, suite, work.new_folder(), CORRUPTED), classifier.device, 1)
    model = count * seconds_of_model(classifier, form)
    threads = default_threads(classifier.device)
    details = f"{rates(count, spent, model)}; {form.corrupted} photos, {threads} threads corrupt them"
    title = f"{len(CORRUPTED)} corruptions: share of the time in which {form.architecture} is busy"
    return ratio_row(title, spent, model, details)


def transfer_rows(work: Work, form: Form) -> Iterator[Row]:
    """Yield the rows on copies to the device, waits and idle time, by torch.profiler."""
    classifier, suite = labelled_by_model(work, form)
    is_cuda = classifier.device.type == "cuda"
    batches: list[int] = []
    classifier.module.register_forward_hook(lambda *_: batches.append(1))
    for name, view in (("unattacked", CLEAN), ("FGSM", FGSM), ("PGD", PGD)):
        batches.clear()
        with profile() as profiler:
            predict(classifier, suite, work.new_folder(), [view])
        copies, waits, idle = device_use(profiler.events() or (), is_cuda=is_cuda)
        values = f"{copies / len(batches):.1f} and {waits / len(batches):.1f}"
        details = (
            f"{len(batches)} forward passes of {form.attacked} images, storing included; time without a "
        )
        details += f"kernel: {f'{100 * idle:.0f} %' if is_cuda else NEEDS_CUDA}"
        yield Row(f"gpu: {name} images: {COUNTED[is_cuda][0]}, per forward pass", values, details)


def device_use(events: Sequence[FunctionEvent], *, is_cuda: bool) -> tuple[int, int, float]:
    """Return copies, waits and the share of the time without a kernel, from events of torch.profiler."""
    _, copied, waited = COUNTED[is_cuda]
    copies, waits = (sum(event.name.startswith(names) for event in events) for names in (copied, waited))
    kernels = [
        (event.time_range.start, event.time_range.end)
        for event in events
        if event.device_type == DeviceType.CUDA and not event.name.startswith(("Memcpy", "Memset"))
    ]
    begin = reached = min(kernels, default=(0.0,))[0]
    busy = 0.0
    for start, end in sorted(kernels):
        busy += max(0.0, end - max(start, reached))
        reached = max(reached, end)
    return copies, waits, 1 - busy / (reached - begin) if kernels else 0.0


def ratio_row(title: str, ours: float, other: float, details: str, least: float | None = None) -> Row:
    """Return the row of other / ours."""
    return Row.of_ratio(f"gpu: {title}", Ratio.of([(ours, other)]), details, least)


def rates(images: int, ours: float, other: float) -> str:
    """Return two times of a number of images as rates."""
    return f"{images / ours:,.0f} against {images / other:,.0f} images/s"
