"""Ratios, rows and the table of `python -m benchmarks`; its times are not tested."""

import json
import subprocess
import sys
import tomllib
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from PIL import Image
from torch.autograd import DeviceType

ROOT = Path(__file__).parents[1]
if str(ROOT) not in sys.path:
    sys.path.append(str(ROOT))  # last, so that the installed quba_check is tested

from benchmarks import __main__ as command  # noqa: E402
from benchmarks import executors, gpu, judging  # noqa: E402
from benchmarks.attacks import Passes  # noqa: E402
from benchmarks.measuring import Ratio  # noqa: E402
from benchmarks.row import Row, as_markdown, as_text  # noqa: E402
from benchmarks.work import MOBILENET, Work  # noqa: E402


def test_a_ratio_is_the_median_over_pairs() -> None:
    ratio = Ratio.of([(2.0, 4.0), (1.0, 3.0), (4.0, 2.0)])
    assert ratio == Ratio(ours=2.0, other=3.0, value=2.0, low=0.5, high=3.0)


def test_rows_show_whether_they_reach_their_goal() -> None:
    ratio = Ratio.of([(2.0, 4.0), (1.0, 3.0)])
    row = Row.of_ratio("reader", ratio, "in numbers", 3)
    assert as_text(row).split("\n") == [
        f"{'reader':<58} {'2.50 (2.00 to 3.00)':<24}  goal ≥ 3 no",
        "    in numbers",
    ]
    assert Row.of_ratio("reader", ratio, "", 2.5).verdict == "yes"
    assert Row.of_ratio("reader", ratio, "").verdict == ""
    assert Row.at_most("memory", 900.0, "MB", "", 900, 0) == Row("memory", "900 MB", "", "≤ 900 MB", True)
    assert Row.at_most("digests", 4.04, "µs", "", 4).verdict == "no"
    assert Row.unmeasured("released", "needs a checkout", "≥ 3").verdict == ""


def test_the_table_replaces_what_stands_between_the_marks(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"before\n{command.BEGIN}\nold\n{command.END}\nafter\n", encoding="utf-8")
    table = as_markdown([Row("store", "90 files", "274 MB", "≤ 90 files", True)])
    command.insert(page, table)
    command.insert(page, table)
    assert page.read_text(encoding="utf-8") == (
        f"before\n{command.BEGIN}\n\n"
        "| compared | measured | goal | reached | in numbers |\n|---|---|---|---|---|\n"
        f"| store | 90 files | ≤ 90 files | yes | 274 MB |\n\n{command.END}\nafter\n"
    )


def test_the_page_has_the_marks() -> None:
    text = (ROOT / "benchmarks" / "README.md").read_text(encoding="utf-8")
    assert text.count(command.BEGIN) == text.count(command.END) == 1
    assert text.index(command.BEGIN) < text.index(command.END)


def test_passes_count_images_forward_and_backward() -> None:
    module = torch.nn.Linear(3, 2).requires_grad_(False)
    passes = Passes()
    passes.watch(module)
    with torch.no_grad():
        module(torch.ones(5, 3))
    assert passes.images == 5
    inputs = torch.ones(4, 3, requires_grad=True)
    torch.autograd.grad(module(inputs).sum(), inputs)
    assert passes.images == 5 + 2 * 4


def test_an_executor_without_its_package_is_not_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(executors, "PACKAGE", "no_such_package")
    reason = "no_such_package is not installed: pip install 'quba-check[ray]'"
    assert executors.rows(Work(tmp_path)) == [
        Row("executor ray: start-up", "not measured", reason, "≤ 10 s"),
        Row("executor ray: time for a shard of 256 images", "not measured", reason, "≤ 15 ms"),
    ]


def test_a_run_of_the_executors_row_is_timed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(executors, "SHARDS", 2)
    work = Work(tmp_path)
    times = executors.run(work, executors.write_suite(work.new_folder()), None)
    assert min(times.first, times.shard) > 0
    (stored,) = tmp_path.rglob("predictions/*/*")
    assert stored.name.startswith("00000-00002-")


def test_the_planned_answers_of_the_judging_rows_are_stored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "demands.yaml").write_text(json.dumps(judging.demands(31)), encoding="utf-8")
    judging.write(tmp_path, 40, 4, 20, 2, 31)
    assert len([*tmp_path.glob("store/predictions/*")]) == 90


@pytest.mark.slow
def test_the_rows_on_a_gpu_run_on_the_cpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    monkeypatch.setattr(gpu.os, "cpu_count", lambda: 2)
    monkeypatch.setattr(gpu, "default_batch", lambda _device: 2)
    monkeypatch.setattr(gpu, "CORRUPTED", gpu.CORRUPTED[:2])
    encoded = BytesIO()
    Image.new("RGB", (300, 260), "grey").save(encoded, "JPEG")
    monkeypatch.setattr(gpu, "jpegs", lambda: (encoded.getvalue(),))
    monkeypatch.setattr(gpu, "SMALL", gpu.Form(MOBILENET, 3, 2, 2, batches=1, repetitions=1))
    rows = list(gpu.rows(Work(tmp_path)))
    unmeasured = [row.title.partition(": ")[2] for row in rows if row.value == "not measured"]
    assert unmeasured == [
        f"model alone, {MOBILENET}: the largest batches against 2",
        f"model alone, {MOBILENET}: bf16, channels_last, compiled against eager float32",
        f"decoding alone, decode_jpeg on the device against {unmeasured[2].split()[-2]} threads",
    ]
    measured = [row for row in rows[1:] if row.value != "not measured"]
    assert len(measured) == 11
    assert all(float(row.value.split()[0]) > 0 for row in measured)
    assert "gpu" not in command.ROWS


def test_the_largest_batch_is_found_by_doubling() -> None:
    def run(size: int) -> None:
        if size > 200:
            raise error

    error: RuntimeError = torch.OutOfMemoryError("full")
    assert gpu.largest_batch(run) == (128, "out of memory")
    error = RuntimeError("indices of 32 bits")
    assert gpu.largest_batch(run) == (128, "RuntimeError: indices of 32 bits")
    assert gpu.largest_batch(lambda _size: None) == (gpu.MOST_IMAGES, "its limit")


def test_the_use_of_a_device_is_that_of_its_kernels() -> None:
    def event(name: str, start: float, end: float, device: DeviceType = DeviceType.CUDA) -> SimpleNamespace:
        return SimpleNamespace(
            name=name, device_type=device, time_range=SimpleNamespace(start=start, end=end)
        )

    events = [
        event("convolution", 10, 20),
        event("Memcpy HtoD (Pinned -> Device)", 0, 100),
        event("relu", 30, 40),
        event("pooling", 15, 25),
        event("cudaStreamSynchronize", 0, 50, DeviceType.CPU),
        event("aten::_to_copy", 0, 5, DeviceType.CPU),
    ]
    assert gpu.device_use(events, is_cuda=True) == (1, 1, pytest.approx(5 / 30))
    assert gpu.device_use(events[-1:], is_cuda=False) == (1, 0, 0.0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nothing"], f"unknown row 'nothing'. Allowed: {', '.join(command.ALL_ROWS)}."),
        (["--released", "."], "holds no eval.py. Allowed: a checkout of the released code."),
        (["--markdown", "README.md"], f"--markdown: README.md has no line '{command.BEGIN}'."),
    ],
)
def test_arguments_that_cannot_be_used(
    arguments: list[str], message: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(sys, "argv", ["benchmarks", *arguments])
    with pytest.raises(SystemExit) as error:
        command.parsed_options()
    assert error.value.code == 2
    assert message in capsys.readouterr().err


def test_the_wheel_leaves_them_out() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"] == ["quba_check"]


def test_the_released_code_needs_arguments() -> None:
    result = subprocess.run(
        [sys.executable, "-m", "benchmarks.released"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert result.returncode == 2
    assert result.stderr == ("usage: python -m benchmarks.released CHECKOUT DATA MODEL.pt [DIMENSION…]\n")
