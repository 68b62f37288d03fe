"""The plan for many models: work of a manifest, simulation by hand, and the command's answers."""

from __future__ import annotations

import math
import re
import shlex
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

ROOT = Path(__file__).parents[1]
if str(ROOT) not in sys.path:
    sys.path.append(str(ROOT))  # last, so that the installed quba_check is tested

from benchmarks import plan_scale  # noqa: E402
from benchmarks.cluster import Cluster, Phase, data_bytes, shared_rates, simulate  # noqa: E402
from benchmarks.costs import COSTS, Costs, option_of  # noqa: E402
from benchmarks.plan_check import cpu_time  # noqa: E402
from benchmarks.workload import PUBLISHED_MANIFEST, Stage, read_stages  # noqa: E402
from quba_check.errors import SuiteError  # noqa: E402

FREE = Costs(
    forward_ms=1, attack_ratio=1, pgd_passes=21, file_ms=1e-9, prepared_ms=1e-9, kept_ms=1e-9,
    generated_ms=1e-9, digest_us=1e-9, file_kb=100, prepared_kb=10, shard_ms=1e-9, start_s=10,
    clean_bytes=4000, view_bytes=16,
)  # fmt: skip
"""Reading and the driver cost nothing."""
STAGE = Stage("clean", 1, 1024, "file")
ONE = Cluster(gpus=1, at_once=1, cores=4, gpus_per_machine=1)


def test_the_published_family_has_86_views() -> None:
    stages = read_stages(PUBLISHED_MANIFEST, 21)
    assert sum(stage.views for stage in stages) == 86
    assert sum(stage.total for stage in stages) == 78 * 50_000 + 30_000 + 2 * 800 + 2 * 160 + 2 * 4050 + 1280
    by_name = {stage.name: stage for stage in stages}
    assert by_name["clean"] == Stage("clean", 1, 50_000, "file")
    assert by_name["clean+fgsm"] == Stage("clean+fgsm", 1, 50_000, "kept", forward=0, attack=3)
    assert by_name["clean+pgd"] == Stage("clean+pgd", 1, 50_000, "kept", forward=0, attack=21)
    assert by_name["corruptions"] == Stage("corruptions", 75, 50_000, "prepared")
    assert by_name["corruptions"].shards == 75 * 196
    assert [name for name, stage in by_name.items() if stage.has_probabilities] == ["clean"]


def test_corruptions_may_be_generated_and_sampled() -> None:
    stages = {stage.name: stage for stage in read_stages(PUBLISHED_MANIFEST, 4, generates=True, samples=True)}
    assert stages["corruptions"] == Stage("corruptions", 1, 50_000, "generated")


def test_a_manifest_of_few_sets(tmp_path: Path) -> None:
    path = tmp_path / "quba-data.yaml"
    manifest = "schema: 1\nname: own\nclasses: [a, b]\nsets:\n  clean: {{reader: folder, path: val{}}}\n"
    path.write_text(manifest.format(", expected: 300") + "  corruptions: {generate: from clean}\n")
    stages = {stage.name: stage for stage in read_stages(path, 21)}
    assert stages["corruptions"] == Stage("corruptions", 75, 300, "generated")
    assert set(stages) == {"clean", "clean+fgsm", "clean+pgd", "corruptions"}
    path.write_text(manifest.format(""))
    with pytest.raises(SuiteError) as error:
        read_stages(path, 21)
    assert str(error.value) == f"{path}: clean: expected is missing. Add the number of its images."


def test_passes_limit_a_model_alone() -> None:
    outcome = simulate([1e-3], [STAGE], FREE, ONE)
    assert outcome.spent["passes"] == pytest.approx(1.024)
    assert outcome.spent["start"] == pytest.approx(10)
    assert outcome.durations == [pytest.approx(11.024)]
    assert outcome.wall == pytest.approx(11.024)
    attack = Stage("clean+pgd", 1, 1000, "kept", forward=0, attack=21)
    assert simulate([1e-3], [attack], replace(FREE, attack_ratio=2), ONE).wall == pytest.approx(10 + 42)


@pytest.mark.parametrize(
    ("costs", "cluster", "cause", "seconds"),
    [
        (replace(FREE, file_ms=8), ONE, "reading", 1024 * 0.008 / 4),
        (replace(FREE, shard_ms=500), ONE, "driver", 4 * 0.5),
        (FREE, replace(ONE, place="shared", network=1e7), "network", 1024 * 1e5 / 1e7),
    ],
)
def test_the_slowest_step_limits_a_stage(costs: Costs, cluster: Cluster, cause: str, seconds: float) -> None:
    outcome = simulate([1e-3], [STAGE], costs, cluster)
    assert outcome.wall == pytest.approx(10 + seconds)
    assert outcome.spent["passes"] == pytest.approx(1.024)
    assert outcome.spent[cause] == pytest.approx(seconds - 1.024)


def test_models_take_the_next_free_slot() -> None:
    cluster = replace(ONE, gpus=2, at_once=2)
    outcome = simulate([1e-3, 2e-3, 3e-3], [STAGE], FREE, cluster)
    assert outcome.wall == pytest.approx((10 + 1.024) + (10 + 3 * 1.024))
    assert outcome.spent["idle"] == pytest.approx(outcome.wall - (10 + 2 * 1.024))


def test_a_run_checks_all_files_before_it_predicts() -> None:
    stages = [STAGE, Stage("clean+pgd", 1, 1024, "kept", forward=0, attack=21)]
    outcome = simulate([1e-9], stages, replace(FREE, digest_us=1000), ONE)
    assert outcome.wall == pytest.approx(10 + 1.024, abs=1e-3)


def test_the_cpu_time_of_a_plan_adds_up_all_steps() -> None:
    costs = replace(FREE, file_ms=2, kept_ms=1, shard_ms=50, digest_us=500, attack_ratio=2, start_s=0)
    stages = [STAGE, Stage("clean+pgd", 1, 1024, "kept", forward=0, attack=10)]
    reading, storing, checking = 1.024 * (2 + 1), 8 * 0.05, 1.024 * 0.5
    assert cpu_time(stages, costs) == pytest.approx(1.024 * (1 + 2 * 10) + reading + storing + checking)


def test_several_gpus_share_a_model() -> None:
    outcome = simulate([1e-3], [STAGE], FREE, replace(ONE, gpus=4))
    assert outcome.wall == pytest.approx(10 + 1.024 / 4)
    assert outcome.spent["start"] == pytest.approx(4 * 10)


def test_a_network_is_shared_in_equal_parts() -> None:
    slow, fast = Phase(1, 2.0, "passes", load=10), Phase(1, 100.0, "passes", load=10)
    assert shared_rates([fast, slow, fast], 220) == [10.0, 2.0, 10.0]
    assert shared_rates([fast, slow], math.inf) == [100.0, 2.0]
    assert shared_rates([Phase(1, 5.0, "passes"), Phase(1, math.inf, "network", load=1)], 7) == [5.0, 7.0]


def test_images_of_a_url_are_downloaded_once() -> None:
    size = data_bytes([STAGE], FREE)
    assert size == 1024 * 1e5
    url = replace(ONE, gpus=2, at_once=2, gpus_per_machine=2, place="url", network=size)
    once = simulate([1e-3] * 4, [STAGE], FREE, url)
    assert once.wall == pytest.approx(2 * 11.024 + 1)
    assert once.spent["network"] == pytest.approx(2 * 1)


@settings(deadline=None, max_examples=25)
@given(
    models=st.lists(st.floats(1e-5, 1e-1), min_size=1, max_size=12),
    at_once=st.sampled_from([1, 2, 4, 8]),
    place=st.sampled_from(["local", "url", "shared"]),
    network=st.floats(1e6, 1e10),
    reading=st.floats(1e-3, 10),
)
def test_all_time_of_the_gpus_has_a_cause(
    models: list[float], at_once: int, place: str, network: float, reading: float
) -> None:
    cluster = Cluster(8, at_once, 4, 4, place, network)  # type: ignore[arg-type]
    costs = replace(FREE, prepared_ms=reading, shard_ms=5)
    stages = read_stages(PUBLISHED_MANIFEST, 21)
    outcome = simulate(models, stages, costs, cluster)
    assert len(outcome.durations) == len(models)
    assert sum(outcome.spent.values()) == pytest.approx(8 * outcome.wall)
    passes = sum(stage.total * (stage.forward + stage.attack) for stage in stages)
    assert outcome.spent["passes"] == pytest.approx(sum(models) * passes)


GIVEN = [
    "--attack-ratio=2", "--pgd-passes=21", "--file-ms=1.6", "--prepared-ms=0.3", "--kept-ms=0.1",
    "--generated-ms=3", "--digest-us=5", "--file-kb=100", "--prepared-kb=16", "--shard-ms=10", "--start-s=10",
    "--clean-bytes=4000", "--view-bytes=16",
]  # fmt: skip
NEEDED = ["--models=2", "--gpus=8", "--cores=4"]


def plan(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> None:
    monkeypatch.setattr(sys, "argv", ["plan_scale", *arguments])
    plan_scale.main()


def test_the_command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    plan(monkeypatch, *NEEDED, *GIVEN, "--forward-ms=1", "--at-once", "1", "2")
    assert capsys.readouterr().out.splitlines() == [
        "2 models × 86 views, 3,941,300 images a model",
        "predictions: 172 files, 525 MB; images: 68.2 GB of files",
        "",
        "at once  GPUs each  wall time  GPU hours  median model  in passes  bottleneck",
        "      1          8   27.0 min        3.6      13.5 min        96%  passes of the models",
        "      2          4   26.5 min        3.5      26.5 min        98%  passes of the models",
        "",
        "with 2 at once, 26.5 min:",
        "        3.5 GPU hours   98.2%  passes of the models",
        "        0.1 GPU hours    1.8%  starting runs and checking files",
        "  twice the GPUs: 13.5 min",
        "  twice the cores per GPU: 26.5 min",
        "  half the time of the driver: 26.5 min",
        "  slow models first: 26.5 min",
    ]


RATES = "expected are the columns infer_img_size and infer_samples_per_sec, as numbers."


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (GIVEN, "missing: --forward-ms. See the rows stages of python -m benchmarks, or give --measure."),
        (["--at-once=3"], "--at-once: got 3. Allowed: divisors of --gpus 8."),
        (["--cores=0"], "argument --cores: got '0'. Allowed: a number above 0."),
        (["--models=1.5"], "argument --models: got '1.5'. Allowed: a whole number from 1."),
        (["--pgd-passes=22"], "argument --pgd-passes: got '22'. Allowed: a number above 0, at most 21."),
        (["--place=url"], "--network is missing, which --place url needs. Give MB a second."),
        (["--rates=no.csv"], "--rates: no.csv: No such file or directory."),
        (["--rates=other.csv"], f"--rates: other.csv: {RATES}"),
        (
            ["--rates=rates.csv", "--image-size=384"],
            "--rates: rates.csv: no model has images of 384 px and a rate above 0.",
        ),
        (["--rates=rates.csv", "--models=4"], "--models: got 4. Allowed: 1 to 3, those of rates.csv."),
    ],
)
def test_arguments_that_cannot_be_used(
    arguments: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    write_rates(tmp_path / "rates.csv")
    Path("other.csv").write_text("model,rate\na,1\n", encoding="utf-8")
    with pytest.raises(SystemExit) as error:
        plan(monkeypatch, *NEEDED, *arguments)
    assert error.value.code == 2
    assert capsys.readouterr().err.endswith(f"error: {message}\n")


def write_rates(path: Path) -> None:
    path.write_text(
        "model,infer_img_size,infer_samples_per_sec\na,224,4000\na,288,2500\nb,224,2000\nc,224,500",
        encoding="utf-8",
    )


def test_models_of_a_table_are_taken_evenly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_rates(tmp_path / "rates.csv")
    taken: list[float] = []
    monkeypatch.setattr(plan_scale, "report", lambda models, *_: taken.extend(models) or [])
    plan(monkeypatch, *NEEDED, *GIVEN, f"--rates={tmp_path}/rates.csv")
    assert taken == [1 / 4000, 1 / 2000]


def test_measured_costs_fill_the_gaps(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    measured = dict.fromkeys(COSTS, 3.0)
    del measured["pgd_passes"]
    monkeypatch.setattr(plan_scale, "_measured", lambda *_: measured)
    plan(monkeypatch, *NEEDED, *GIVEN, "--measure")
    output = capsys.readouterr().out
    assert output.startswith("measured: --forward-ms 3\n\n2 models")
    plan(monkeypatch, *NEEDED, "--pgd-passes=21", "--measure")
    output = capsys.readouterr().out
    assert output.startswith("".join(f"measured: {option_of(name)} 3\n" for name in measured))


def test_the_command_of_the_page_measures_on_a_machine(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page = (ROOT / "benchmarks" / "README.md").read_text(encoding="utf-8")
    (words,) = re.findall(r"^python -m benchmarks.plan_scale (.*)$", page, re.MULTILINE)
    monkeypatch.setattr(plan_scale, "_measured", lambda *_: dict.fromkeys(COSTS, 3.0))
    plan(monkeypatch, *shlex.split(words))
    assert "40 models × 86 views" in capsys.readouterr().out
