"""The baseline of a session: stated by files, missing in a first release, and stricter demands."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import pytest
from support.gate import Gate, loaded_judge, thresholds
from support.gated import CORRUPTION
from support.tuned import record

from quba_check.errors import OptionError, UserError
from quba_check.gate.baseline import SessionBaseline
from quba_check.gate.collector import ResultCollector
from quba_check.gate.options import Options
from quba_check.gate.session import GateSession
from quba_check.records.baselines import Approval, write_baseline
from quba_check.records.record import Record

DROP = "baseline: release\ndimensions: {accuracy: {max_drop: 0.01, optional: true}}"
MISSING = (
    "first release: there is no approved record in baselines/release yet. Approve one with "
    "'quba-check approve', or give --quba-first-release"
)
SKIPPED = "first release: there is no baseline yet (--quba-first-release)"


def judged(session: GateSession) -> Record:
    judge, collector = loaded_judge(session), ResultCollector()
    demands = session.demands(session.files)
    for planned in demands:
        collector.add(judge.judge(planned))
    names = {planned.node_id for planned in demands}
    (one,) = collector.records(session, demands, names, interrupted=False, stopped=False)
    return one


def approve(folder: Path, content: Record, name: str = "release") -> None:
    data = content.to_json().encode()
    sha256 = hashlib.sha256(data).hexdigest()
    approval = Approval("2026-01-01T00:00:00+00:00", "ann", "", "r50", "pass", (), sha256)
    write_baseline(folder / "baselines" / name, data, None, approval)


def test_a_first_release_blocks_even_if_the_demand_is_optional(gate: Gate) -> None:
    one = judged(gate.session(DROP))
    (verdict,) = one.verdicts
    assert (verdict.outcome, verdict.blocks) == ("unmeasurable", True)
    assert verdict.message.startswith(f"accuracy drop could not be measured: {MISSING}\n")
    assert one.warnings == (MISSING,)


def test_a_stated_baseline_that_no_demand_reports_must_exist(gate: Gate, tmp_path: Path) -> None:
    text = "baseline: relase\ndimensions: {accuracy: {min: 0}}"
    approve(tmp_path, record())
    with pytest.raises(OptionError) as caught:
        gate.session(text).check_files()
    assert str(caught.value) == (
        "baseline: first release: there is no approved record in baselines/relase yet. Approved are: "
        "release. "
        "Approve one with 'quba-check approve', or give --quba-first-release."
    )
    gate.session(text, first_release=True).check_files()


def test_a_record_that_is_missing_next_to_its_history(gate: Gate, tmp_path: Path) -> None:
    approve(tmp_path, record())
    (tmp_path / "baselines/release/record.json").unlink()
    with pytest.raises(UserError) as caught:
        gate.session(DROP, first_release=True).check_files()
    assert str(caught.value) == (
        f"baseline: {tmp_path}/baselines/release/record.json is missing. Restore it, or approve a "
        f"record again."
    )


def test_a_first_release_is_stated(gate: Gate) -> None:
    text = "dimensions: {accuracy: {min: 0, max_drop: 0.01}}\nparity: {agreement: {min: 0.9}}"
    one = judged(gate.session(text, first_release=True))
    assert [(row.name, row.outcome) for row in one.verdicts] == [
        ("accuracy[min]", "pass"),
        ("accuracy[max_drop]", "skipped"),
        ("parity.agreement[min]", "skipped"),
    ]
    assert one.verdicts[1].message.startswith(f"accuracy drop was skipped: {SKIPPED}\n")
    assert one.warnings == ("first release: demands on drops and parity are skipped (--quba-first-release)",)
    assert one.overall_verdict == "pass"


def test_the_stated_baseline_is_used(gate: Gate, tmp_path: Path) -> None:
    approve(tmp_path, judged(gate.session("dimensions: {accuracy: {min: 0}}")))
    one = judged(gate.session(DROP))
    assert [row.outcome for row in one.verdicts] == ["pass"]
    assert [row.path for row in one.inputs if row.kind == "baseline"] == ["baselines/release/record.json"]
    assert one.warnings == (
        "the demands are looser than those of baselines/release/record.json: accuracy[min] is gone (>= 0)",
    )


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        (
            DROP,
            {"first_release": True},
            "--quba-first-release: there is a baseline, got baselines/release/record.json. Leave the "
            "option out.",
        ),
        (
            DROP,
            {"no_looser": True},
            "--quba-no-looser: the demands are looser than those of baselines/release/record.json: "
            "corruption_robustness[min] is gone (>= 0.5). Restore them, or approve a record of a run "
            "without the "
            "option.",
        ),
        (
            "dimensions: {accuracy: {min: 0}}",
            {"no_looser": True},
            "--quba-no-looser: there is no baseline to compare with. Name a record with --quba-baseline "
            "FILE.json "
            "(what-if: --baseline), or a model with --quba-reference.",
        ),
        (
            DROP.replace("release", "other"),
            {"no_looser": True},
            "baseline: first release: there is no approved record in baselines/other yet. Approved are: "
            "release. Approve one with 'quba-check approve', or give --quba-first-release.",
        ),
        (
            DROP,
            {"no_looser": True, "first_release": True},
            "--quba-no-looser: got --quba-first-release too, which has no demands to compare with. "
            "Allowed: one "
            "of both.",
        ),
    ],
)
def test_options_that_the_baseline_excludes(
    gate: Gate, tmp_path: Path, text: str, options: dict[str, bool], message: str
) -> None:
    approve(tmp_path, record(verdicts=[CORRUPTION.verdict_row("x", "pass")]))
    with pytest.raises(OptionError) as caught:
        gate.session(text, **options).check_files()
    assert str(caught.value) == message


def test_options_without_conflict(gate: Gate, tmp_path: Path) -> None:
    gate.session(DROP, first_release=True).check_files()
    approve(tmp_path, record(verdicts=[CORRUPTION.verdict_row("x", "pass")]))
    text = "baseline: release\ndimensions: {corruption_robustness: {min: 0.5}, accuracy: {max_drop: 0}}"
    gate.session(text, no_looser=True).check_files()


ACCURACY = "baseline: release\ndimensions: {accuracy: {min: 0}}"


def remove_an_image(data: Path) -> None:
    next((data / "val").glob("*/*")).unlink()


def relabel_an_image(data: Path) -> None:
    image = min((data / "val").glob("*/*"))
    image.rename(max((data / "val").iterdir()) / f"new-{image.name}")


def declare_groups(data: Path) -> None:
    manifest = data / "quba-data.yaml"
    text = manifest.read_text().replace("path: val,", "path: val, group: {folders: 1},")
    manifest.write_text(text)


@pytest.mark.parametrize("relabelled", [False, True])
def test_other_slices_are_no_slices_of_the_baseline(
    gate: Gate, tiny_data: Path, tmp_path: Path, *, relabelled: bool
) -> None:
    """The images and labels are the same; one image is in the other slice."""
    data = tmp_path / "data"
    shutil.copytree(tiny_data, data)
    images = sorted((data / "val").glob("*/*"))
    rows = [f"{one.relative_to(data)},{one.parent.name},{'ab'[k % 2]}" for k, one in enumerate(images)]
    (data / "val.csv").write_text("\n".join(["path,label,half", *rows]))
    manifest = data / "quba-data.yaml"
    lines = manifest.read_text().splitlines()
    clean = "  clean: {reader: csv, path: val.csv, slices: [half]}"
    manifest.write_text("\n".join(clean if line.startswith("  clean:") else line for line in lines))
    half = "{min: 0, max_drop: 0.9, min_images: 1}"
    text = f"baseline: release\ndimensions: {{accuracy: {{max_drop: 0.9, slices: {{half=a: {half}}}}}}}"
    approve(tmp_path, judged(gate.session(text, data=data, first_release=True)))
    if relabelled:
        (data / "val.csv").write_text("\n".join(["path,label,half", *rows])[:-1] + "b")
    *others, drop = judged(gate.session(text, data=data)).verdicts
    assert {row.outcome for row in others} == {"pass"}
    assert drop.outcome == ("unmeasurable" if relabelled else "pass")
    if relabelled:
        assert "it differs in slices of clean. Allowed: " in drop.message
        with pytest.raises(OptionError, match=r"in slices of clean\. Allowed: the same images"):
            judged(gate.session(text, data=data, no_looser=True))
    else:
        judged(gate.session(text, data=data, no_looser=True))


@pytest.mark.parametrize(
    ("change", "options", "difference"),
    [
        (remove_an_image, {}, "images of clean"),
        (relabel_an_image, {}, "images of clean"),
        (declare_groups, {}, "groups of clean"),
        (None, {"limit": 5}, "images of clean (--quba-limit: no limit and 5)"),
    ],
)
def test_other_images_are_looser_demands(
    gate: Gate, tiny_data: Path, tmp_path: Path, change, options: dict[str, int], difference: str
) -> None:
    """No demand is on a drop, whose verdict would show it."""
    approve(tmp_path, judged(gate.session(ACCURACY, first_release=True)))
    judged(gate.session(ACCURACY, no_looser=True))
    data = tmp_path / "data"
    shutil.copytree(tiny_data, data)
    if change is not None:
        change(data)
    assert judged(gate.session(ACCURACY, data=data, **options)).overall_verdict == "pass"
    with pytest.raises(OptionError) as caught:
        judged(gate.session(ACCURACY, data=data, no_looser=True, **options))
    assert str(caught.value) == (
        f"--quba-no-looser: this run differs from baselines/release/record.json in {difference}. Allowed: "
        "the same images and labels, and the same --quba-limit and --quba-seed. Restore "
        "them, or approve a record of a run without the option."
    )


def test_a_set_of_the_baseline_that_is_gone(gate: Gate, tiny_data: Path, tmp_path: Path) -> None:
    text = "baseline: release\ndimensions: {ood_robustness: {min: 0, optional: true}}"
    approve(tmp_path, judged(gate.session(text, first_release=True)))
    data = tmp_path / "data"
    shutil.copytree(tiny_data, data)
    manifest = data / "quba-data.yaml"
    kept = [line for line in manifest.read_text().splitlines(keepends=True) if "night" not in line]
    manifest.write_text("".join(kept))
    drop = (
        "baseline: release\ndimensions: {ood_robustness: {max_drop: 0.9, parts: {sketch: {max_drop: 0.9}}}}"
    )
    whole, sketch = judged(gate.session(drop, data=data)).verdicts
    assert (whole.outcome, sketch.outcome) == ("unmeasurable", "pass")
    assert whole.message.startswith(
        "ood_robustness drop could not be measured: baselines/release/record.json cannot be its baseline: it "
        "differs in sets (night). Allowed: a record of the same protocol, images and classes\n"
    )
    with pytest.raises(
        OptionError, match=r"release/record\.json in images of night\. Allowed: the same images"
    ):
        judged(gate.session(text, data=data, no_looser=True))


def test_a_swapped_record_is_refused(gate: Gate, tmp_path: Path) -> None:
    approve(tmp_path, record())
    path = tmp_path / "baselines/release/record.json"
    path.write_text(record(accuracy=0.5).to_json())
    for options in ({}, {"baseline": path}):
        with pytest.raises(UserError) as caught:
            gate.session(DROP, **options).check_files()
        assert str(caught.value).startswith(
            f"baseline: {path} is not the record that was approved last: its SHA-256 is "
        )
    shutil.copy(path, tmp_path / "copy.json")
    gate.session(DROP, baseline=tmp_path / "copy.json").check_files()


def test_files_that_state_different_baselines(tmp_path: Path) -> None:
    files = [thresholds(DROP), thresholds(DROP.replace("release", "other"))]
    with pytest.raises(OptionError) as caught:
        _ = SessionBaseline(Options(("net",)), tmp_path, files).run
    assert str(caught.value) == (
        "baseline: the threshold files state different ones, got release, other. Allowed: one for all. Use "
        "two runs, or name one with --quba-baseline FILE.json."
    )


def test_an_option_replaces_the_stated_baseline(gate: Gate, tmp_path: Path) -> None:
    (tmp_path / "old.json").write_text(record().to_json())
    session = gate.session(DROP, baseline=tmp_path / "old.json")
    assert session.baseline is not None
    assert session.baseline.file == "old.json"
