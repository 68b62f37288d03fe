"""The probe with modules whose passes take a stated time on a clock of their own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
import pytest
import timm
import torch
from torch import Tensor, nn

from quba_check.models import compute_probe
from quba_check.models.classifier import Classifier
from quba_check.models.compute import Candidate, ComputeRequest, ComputeSettings, PlannedPasses
from quba_check.models.compute_probe import CHECKED_IMAGES, LEAST_PASSES_OF_CHECK, Probe, flips, image_count
from quba_check.models.pass_timing import Stopwatch
from quba_check.models.preprocessing.preprocessing import Preprocessing
from quba_check.stats.intervals import clopper_pearson_limits

AUTO = ComputeRequest("auto", "auto")
LONG = PlannedPasses(40_000, 60_000)
N = 250
"""Images of a probe of 100,000 passes: 2 % of them, for eight passes of each image."""


ENOUGH = CHECKED_IMAGES + 5


@pytest.fixture
def _tries_bf16(monkeypatch: pytest.MonkeyPatch) -> None:
    """The rule for GPUs, on a classifier that runs on the CPU."""
    monkeypatch.setattr(compute_probe, "_half_precisions", lambda _: ("bf16",))


tries_bf16 = pytest.mark.usefixtures("_tries_bf16")


@dataclass
class Machine:
    """Costs of a pass in seconds an image, and the faults of its settings.

    Attributes:
        cost: by precision, memory format and batch size.
        flipped: images with a wrong answer in bf16.
        clock: seconds that have passed.
        passes: batches so far: precision, memory format and number of images.
    """

    cost: Callable[[str, bool, int], float] = lambda *_: 0.01
    flipped: tuple[int, ...] = ()
    fails: Callable[[str, bool, int], Exception | None] = lambda *_: None
    nan: bool = False
    clock: float = 0.0
    passes: list[tuple[str, bool, int]] = field(default_factory=list)

    def measure(self, run: Callable[[], Tensor]) -> tuple[Tensor, float]:
        before = self.clock
        return run(), self.clock - before


class Net(nn.Module):
    """Answers class `number % 3` for an image that is filled with its number."""

    def __init__(self, machine: Machine) -> None:
        super().__init__()
        self.machine = machine
        self.conv = nn.Conv2d(3, 4, 3)

    def forward(self, x: Tensor) -> Tensor:
        machine = self.machine
        precision = "bf16" if torch.is_autocast_enabled("cpu") else "fp32"
        last = x.is_contiguous(memory_format=torch.channels_last)
        assert last == self.conv.weight.is_contiguous(memory_format=torch.channels_last)
        settings = precision, last, len(x)
        machine.passes.append(settings)
        machine.clock += machine.cost(*settings) * len(x)
        if error := machine.fails(*settings):
            raise error
        number = (x[:, :2, 0, 0] * 255).round().long() @ torch.tensor([1, 256])
        wrong = torch.isin(number, torch.tensor(machine.flipped or (-1,))) & (precision == "bf16")
        scores = nn.functional.one_hot((number + wrong.long()) % 3, 3).float()
        return scores * float("nan") if machine.nan and precision == "bf16" else scores


def classifier(module: nn.Module, **changes: object) -> Classifier:
    fields = {
        "spec": "zoo:net",
        "name": "zoo:net",
        "module": module.eval().requires_grad_(False),
        "preprocessing": Preprocessing(
            (3, 8, 8), "bilinear", (0.0,) * 3, (1.0,) * 3, 1.0, "center", "a test"
        ),
        "fingerprint": "f",
        "checksum": "",
        "parameters": 0,
        "trainable": 0,
        "classes": 3,
        "device": torch.device("cpu"),
        "requested": AUTO,
    }
    return Classifier(**(fields | changes))  # type: ignore[arg-type]


def pixels(numbers: range) -> Tensor:
    """Images of 8 × 8, each filled with the two bytes of its number."""
    channels = [[number % 256, number // 256, 0] for number in numbers]
    return torch.tensor(channels, dtype=torch.uint8).view(-1, 3, 1, 1).expand(-1, 3, 8, 8).clone()


def probe(
    machine: Machine,
    planned: PlannedPasses = LONG,
    request: ComputeRequest = AUTO,
    available: int = 256,
    **options: object,
) -> ComputeSettings:
    model = classifier(Net(machine))
    weight = model.module.conv.weight.data
    chosen = Probe(model, pixels, available, planned, request, measure=machine.measure, **options).choose()
    assert model.module.conv.weight.data is weight or torch.equal(model.module.conv.weight.data, weight)
    assert not model.compute.channels_last
    return chosen


def by(fp32: float, last: float, bf16: float, bf16_last: float) -> Callable[[str, bool, int], float]:
    """Costs by precision and memory format alone."""
    table = {("fp32", False): fp32, ("fp32", True): last, ("bf16", False): bf16, ("bf16", True): bf16_last}
    return lambda precision, channels_last, _: table[precision, channels_last]


def tried(settings: ComputeSettings) -> dict[tuple[str, bool, int], Candidate]:
    return {(one.precision, one.channels_last, one.batch_size): one for one in settings.candidates}


def test_the_whole_choice_of_a_machine_that_is_twice_as_fast_in_channels_last() -> None:
    chosen = probe(Machine(by(0.01, 0.005, 0.02, 0.02)))
    same = {"compiled": False, "flipped": 0, "problem": ""}
    assert chosen == ComputeSettings(
        precision="fp32",
        channels_last=True,
        batch_size=16,
        requested="auto",
        reason="fastest of 3 without flipped answers",
        images=N,
        flipped=0,
        gain=2.0,
        candidates=(
            Candidate("fp32", True, batch_size=16, gain=2.0, **same),
            Candidate("fp32", True, batch_size=32, gain=2.0, **same),
        ),
    )


GPU_RUN = PlannedPasses(LEAST_PASSES_OF_CHECK)


@tries_bf16
def test_bf16_is_taken_where_it_is_fastest_and_flips_no_answer_of_2995() -> None:
    machine = Machine(by(0.01, 0.009, 0.006, 0.003), flipped=(CHECKED_IMAGES,))
    chosen = probe(machine, GPU_RUN, available=ENOUGH)
    assert (chosen.precision, chosen.channels_last, chosen.gain) == ("bf16", True, 3.333)
    assert (chosen.images, chosen.flipped) == (2_995, 0)


def test_so_many_images_without_a_flip_show_that_at_most_a_thousandth_flips() -> None:
    def upper_limit(flipped: int, images: int) -> float:
        return float(clopper_pearson_limits(flipped, images, np.array([1.6448536]))[0])

    assert upper_limit(0, CHECKED_IMAGES) <= 0.001 < upper_limit(0, CHECKED_IMAGES - 1)
    assert upper_limit(1, CHECKED_IMAGES) > 0.001


@tries_bf16
@pytest.mark.parametrize("flip", [77, 255, 256, CHECKED_IMAGES - 1])
def test_bf16_is_refused_for_a_single_flip(flip: int) -> None:
    machine = Machine(by(0.01, 0.009, 0.002, 0.002), flipped=(flip,))
    chosen = probe(machine, GPU_RUN, available=ENOUGH)
    assert (chosen.precision, chosen.channels_last, chosen.flipped) == ("fp32", True, 0)
    assert max(one.flipped or 0 for one in chosen.candidates if one.precision == "bf16") == 1


@tries_bf16
@pytest.mark.parametrize(
    ("planned", "available"),
    [(GPU_RUN, CHECKED_IMAGES - 1), (PlannedPasses(LEAST_PASSES_OF_CHECK - 1, 10**6), ENOUGH)],
    ids=["too few images", "too few passes"],
)
def test_bf16_is_not_tried_without_a_check(planned: PlannedPasses, available: int) -> None:
    machine = Machine(by(0.01, 0.009, 0.001, 0.001))
    assert probe(machine, planned, available=available).precision == "fp32"
    assert {precision for precision, *_ in machine.passes} == {"fp32"}


def test_a_cpu_runs_no_pass_in_bf16() -> None:
    machine = Machine(by(0.01, 0.009, 0.001, 0.001))
    assert probe(machine, GPU_RUN, available=ENOUGH).precision == "fp32"
    assert {precision for precision, *_ in machine.passes} == {"fp32"}


@tries_bf16
def test_the_check_of_bf16_takes_less_than_a_seventh_of_the_shortest_run_that_has_one() -> None:
    machine = Machine(by(0.01, 0.02, 0.0094, 0.02))
    assert probe(machine, GPU_RUN, available=ENOUGH).precision == "bf16"
    assert machine.clock <= 0.14 * GPU_RUN.total * 0.01


@pytest.mark.parametrize(
    ("planned", "share"),
    [(5_000, 0.04), (10_000, 0.04), (20_000, 0.04), (40_000, 0.03)],
)
@pytest.mark.parametrize("has_convolutions", [False, True])
def test_the_probe_takes_a_small_share_of_a_short_run(
    planned: int, share: float, has_convolutions: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The shares that the documentation states, for machines on which `channels_last` gains more or less."""
    monkeypatch.setattr(Classifier, "has_convolutions", has_convolutions)
    for last in (0.005, 0.009, 0.015):
        machine = Machine(by(0.01, last, 0.001, 0.001))
        probe(machine, PlannedPasses(planned))
        assert machine.clock <= share * planned * 0.01


@tries_bf16
def test_attacks_count_in_the_planned_time() -> None:
    """bf16 is fastest in plain passes, but most passes are those of attacks, which stay in float32."""
    machine = Machine(by(0.01, 0.005, 0.004, 0.02))
    assert probe(machine, PlannedPasses(95_000, 5_000), available=ENOUGH).precision == "bf16"
    chosen = probe(machine, PlannedPasses(60_000, 600_000), available=ENOUGH)
    assert (chosen.precision, chosen.channels_last) == ("fp32", True)


@pytest.mark.parametrize("last", [0.01, 0.0097, 0.02])
def test_gains_within_noise_leave_the_plain_path(last: float) -> None:
    chosen = probe(Machine(by(0.01, last, 0.02, 0.02)))
    assert (chosen.precision, chosen.channels_last, chosen.batch_size) == ("fp32", False, 16)
    assert (chosen.gain, chosen.reason) == (1.0, "no faster settings without flipped answers")


@tries_bf16
def test_nan_and_exceptions_are_noted_and_not_chosen() -> None:
    def fails(precision: str, last: bool, _: int) -> Exception | None:
        return ValueError("no such kernel") if last and precision == "fp32" else None

    chosen = probe(Machine(by(0.01, 0.001, 0.001, 0.001), nan=True, fails=fails), GPU_RUN, available=ENOUGH)
    assert (chosen.precision, chosen.channels_last) == ("fp32", False)
    candidates = tried(chosen)
    assert candidates["fp32", True, 16].problem.startswith(
        "ModelError: zoo:net: the model fails on a batch of"
    )
    assert "ValueError: no such kernel" in candidates["fp32", True, 16].problem
    assert "NaN" in candidates["bf16", False, 16].problem


def test_batches_grow_while_they_are_faster_and_fit() -> None:
    def fails(precision: str, last: bool, size: int) -> Exception | None:
        return MemoryError() if size == 64 else None

    machine = Machine(lambda precision, last, size: 0.16 / size * (1 + (precision == "bf16")), fails=fails)
    chosen = probe(machine)
    assert (chosen.batch_size, chosen.gain, chosen.precision) == (32, 2.0, "fp32")
    assert [one.problem for one in chosen.candidates if one.batch_size == 64] == ["out of memory"]


def test_a_stated_batch_size_is_the_only_one() -> None:
    machine = Machine(by(0.01, 0.005, 0.02, 0.02))
    assert probe(machine, batch_size=20).batch_size == 20
    assert {size for *_, size in machine.passes} == {20}


def test_a_gpu_halves_its_batch_until_a_pass_with_its_gradient_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    """The rule for accelerators, on a classifier that only names one."""
    machine = Machine(by(0.01, 0.005, 0.02, 0.02), fails=lambda *s: MemoryError() if s[2] > 64 else None)
    model = classifier(Net(machine))
    monkeypatch.setattr(compute_probe, "ACCELERATOR_BATCHES", (256, 512))
    monkeypatch.setattr(compute_probe, "_half_precisions", lambda _: ())
    made = Probe(model, pixels, 256, LONG, AUTO, measure=machine.measure)
    made._batches, made._may_halve = (256, 512), True
    made._plain = replace(made._plain, batch_size=256)
    chosen = made.choose()
    assert (chosen.batch_size, chosen.channels_last, chosen.gain) == (64, True, 2.0)
    assert max(size for *_, size in machine.passes[2:]) == 64


def test_a_model_that_fails_is_left_to_the_first_shard() -> None:
    chosen = probe(Machine(fails=lambda *_: ValueError("broken")))
    assert chosen == ComputeSettings(
        requested="auto", reason="the model fails on the images of the probe", batch_size=None
    )


def test_a_run_of_less_than_twenty_seconds_is_left_after_two_batches() -> None:
    machine = Machine(by(0.0001, 0.00001, 0.00001, 0.00001))
    chosen = probe(machine)
    assert chosen.reason == "the run is too short for a probe"
    assert machine.passes == [("fp32", False, 16)] * 2


def test_a_run_whose_share_pays_only_for_the_plain_path_is_not_measured() -> None:
    """Three batches of 256 images are 2 % of 38,400 passes, as on GPUs."""
    machine = Machine(by(0.01, 0.005, 0.02, 0.02))
    chosen = probe(machine, PlannedPasses(38_399), batch_size=256)
    assert (chosen.reason, machine.passes) == ("the run is too short for a probe", [])
    assert probe(machine, PlannedPasses(40_000), batch_size=256).channels_last


def test_the_probe_takes_a_few_hundredths_of_the_run() -> None:
    machine = Machine(by(0.01, 0.008, 0.012, 0.012))
    probe(machine)
    assert machine.clock <= 0.03 * LONG.total * 0.01


@pytest.mark.parametrize(
    ("planned", "available", "count"),
    [(4_999, 1000, 0), (5_000, 1000, 32), (40_000, 1000, 100), (10**6, 1000, 256), (10**6, 20, 20)],
)
def test_number_of_images(planned: int, available: int, count: int) -> None:
    assert image_count(PlannedPasses(planned), available) == count


def test_too_few_images() -> None:
    made = Probe(classifier(Net(Machine())), pixels, 31, LONG, AUTO)
    assert made.choose().reason == "the suite has too few images for a probe"


def test_compilation_is_tried_only_for_long_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine(lambda *_: 0.01)

    def compiled(module: Net) -> Callable[[Tensor], Tensor]:
        def run(x: Tensor) -> Tensor:
            before = machine.clock
            outputs = module(x)
            machine.clock = before + 0.5 * (machine.clock - before)
            return outputs

        return run

    monkeypatch.setattr(torch, "compile", compiled)
    short, long = PlannedPasses(290_000), PlannedPasses(310_000)
    assert not probe(machine, short).compiled
    assert not probe(machine, long, ComputeRequest("auto", "off")).compiled
    chosen = probe(machine, long)
    assert (chosen.compiled, chosen.gain, chosen.precision) == (True, 2.0, "fp32")


def test_compilation_without_a_compiler_is_noted(monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(_: nn.Module) -> Callable[[Tensor], Tensor]:
        def run(_: Tensor) -> Tensor:
            raise RuntimeError("no C++ compiler")

        return run

    monkeypatch.setattr(torch, "compile", failing)
    chosen = probe(Machine(), PlannedPasses(400_000))
    assert not chosen.compiled
    assert chosen.candidates[-1].problem == (
        "ModelError: zoo:net: torch.compile fails: RuntimeError: no C++ compiler. Give --quba-compile=off."
    )


def test_flips_by_hand() -> None:
    reference = torch.tensor([[1.0, 0.0, -1.0], [0.0, 3.0, -1.0]])
    assert flips(reference, reference) == 0
    assert flips(reference, torch.tensor([[0.0, 1.0, -1.0], [0.0, 3.0, -1.0]])) == 1


@pytest.mark.parametrize("threads", [1, 2])
def test_the_stopwatch_returns_the_result_and_its_time(threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    result, seconds = Stopwatch(torch.device("cpu"))(lambda: torch.ones(2))
    assert (result.tolist(), seconds >= 0) == ([1.0, 1.0], True)


def test_the_choice_for_a_real_network_keeps_its_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Which settings are fastest depends on the machine; equal answers do not."""
    monkeypatch.setattr(compute_probe, "LEAST_SECONDS", 0.0)
    torch.manual_seed(0)
    model = classifier(timm.create_model("mobilenetv3_small_100", num_classes=10), classes=10)
    images = torch.randint(0, 256, (32, 3, 64, 64), dtype=torch.uint8)
    inputs = model.normalise(images.float().div(255))
    with torch.no_grad():
        plain = model.raw(inputs)
        chosen = Probe(model, lambda r: images[r.start : r.stop], 32, PlannedPasses(6_000), AUTO).choose()
        assert torch.equal(model.raw(inputs), plain)  # back on the plain path, bit for bit
        model.use(chosen)
        fast = model.raw(inputs)
    assert (fast.argmax(dim=1) != plain.argmax(dim=1)).sum() <= 0.001 * len(images)
    assert chosen.images == 32
    assert chosen.flipped == 0


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_the_choice_on_a_gpu_keeps_the_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compute_probe, "LEAST_SECONDS", 0.0)
    torch.manual_seed(0)
    device = torch.device("cuda", 0)
    module = timm.create_model("mobilenetv3_small_100", num_classes=10).to(device)
    model = classifier(module, classes=10, device=device)
    images = torch.randint(0, 256, (256, 3, 64, 64), dtype=torch.uint8)
    chosen = Probe(model, lambda r: images[r.start : r.stop], 256, LONG, AUTO).choose()
    with torch.no_grad():
        plain = model.raw(model.inputs(images))
        model.use(chosen)
        fast = model.raw(model.inputs(images))
    assert (fast.argmax(dim=1) != plain.argmax(dim=1)).sum() <= 0.001 * len(images)
    assert chosen.images >= 32
