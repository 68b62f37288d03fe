"""The baseline of a run: stated by files, missing in a first release, drops, and stricter demands."""

import hashlib
import json
import shutil
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.gate import Gate, terminal_text, thresholds
from support.tiny import CLASSES, PER_CLASS
from support.tuned import judged, record
from syrupy.assertion import SnapshotAssertion

from quba_check.demands.bounds import today
from quba_check.errors import OptionError
from quba_check.gate.baseline import SessionBaseline
from quba_check.gate.options import Options
from quba_check.records.baselines import Approval, write_baseline
from quba_check.records.per_image import PerImage
from quba_check.records.record import Record

DROP = "baseline: release\ndimensions: {accuracy: {max_drop: 0.01, optional: true}}"
DROPS = "dimensions: {accuracy: {max_drop: 0.01, max_relative_drop: 2%}}"
ACCURACY = "baseline: release\ndimensions: {accuracy: {min: 0}}"
MISSING = (
    "first release: there is no approved record in baselines/release yet. Approve one with "
    "'quba-check approve', or give --quba-first-release"
)
SKIPPED = "first release: there is no baseline yet (--quba-first-release)"
BEFORE = Path("net.json")


def approve(content: Record) -> Path:
    """Approve a record as the baseline `release`; return its file."""
    data = content.to_json().encode()
    sha256 = hashlib.sha256(data).hexdigest()
    approval = Approval(f"{today()}T00:00:00+00:00", "ann", "", "r50", "pass", (), sha256)
    folder = Path.cwd() / "baselines" / "release"
    write_baseline(folder, data, None, approval)
    return folder / "record.json"


@pytest.fixture
def before(gate: Gate) -> dict[str, Any]:
    """The content of `net.json`, a run of the model whose values by image are next to it."""
    gate.judge("dimensions: {accuracy: {min: 0.1}}", record=BEFORE)
    content: dict[str, Any] = json.loads(BEFORE.read_text(encoding="utf-8"))
    return content


def headlines(of: Record) -> list[str]:
    return [row.message.partition("\n")[0] for row in of.verdicts]


def test_a_worse_model(gate: Gate, before: dict[str, Any]) -> None:
    before["measurements"]["accuracy"] |= {"value": 1.0, "interval": None, "limits": None}
    before |= {"verdicts": [], "inputs": []}
    BEFORE.write_text(json.dumps(before))
    images = PerImage({"accuracy": {"clean": np.zeros(PER_CLASS * len(CLASSES))}})
    BEFORE.with_suffix(".npz").write_bytes(images.to_bytes(Record.model_validate(before)))
    one = gate.judge(DROPS, baseline=BEFORE)
    assert headlines(one) == [
        "accuracy drop 0.333 is above 0.0100 (over by 0.323)",
        "accuracy relative drop 33.3% is above 2.00% (over by 31.3%)",
    ]
    lines = one.verdicts[0].message.splitlines()
    assert lines[1] == "  from 1.000 in net.json to 0.667, paired image by image"
    assert lines[-1] == "  demanded by x.yaml:2"


def test_a_number_of_no_images_has_none_to_differ_in(gate: Gate) -> None:
    text = "dimensions: {parameters: {max_drop: 0, max_relative_drop: 5%}}"
    gate.judge(text, record=BEFORE)
    assert set(gate.outcomes(text, baseline=BEFORE).values()) == {"pass"}


def test_non_inferiority_has_to_be_shown(gate: Gate, before: dict[str, Any]) -> None:
    """The same model is not worse; another one with the same right answers may be."""
    text = f"uncertain: fail\n{DROPS}"
    assert set(gate.outcomes(text, baseline=BEFORE).values()) == {"pass"}
    influences = PerImage.from_bytes(BEFORE.with_suffix(".npz").read_bytes(), "net.npz").influences
    before["model"]["fingerprint"] = "0" * 32
    before["measurements"]["accuracy"]["outputs"] = None
    BEFORE.write_text(json.dumps(before))
    BEFORE.with_suffix(".npz").write_bytes(PerImage(influences).to_bytes(Record.model_validate(before)))
    one = gate.judge(text, baseline=BEFORE)
    assert one.overall_verdict == "uncertain"
    assert one.verdicts[0].message.splitlines()[:2] == [
        "accuracy drop 0.000 is not shown to be at most 0.0100",
        "  from 0.667 in net.json to 0.667, paired image by image",
    ]


def test_a_baseline_of_other_images(gate: Gate, before: dict[str, Any]) -> None:
    before["suite"]["contents"]["clean"] = "0" * 32
    BEFORE.write_text(json.dumps(before))
    assert headlines(gate.judge(DROPS, baseline=BEFORE))[0] == (
        "accuracy drop could not be measured: net.json cannot be its baseline: it differs in images of "
        "clean. Allowed: a record of the same protocol, images and classes"
    )


def test_a_baseline_that_nothing_is_compared_with(gate: Gate, before: dict[str, Any]) -> None:
    note = "the baseline net.json is not used: no demand has max_drop or max_relative_drop"
    assert note in gate.judge("dimensions: {accuracy: {min: 0}}", baseline=BEFORE).notes
    assert note not in gate.judge(DROPS, baseline=BEFORE).notes


def test_a_baseline_that_is_no_record(gate: Gate, before: dict[str, Any]) -> None:
    assert gate.error(DROPS, baseline="nett.json") == (
        "Options.baseline: nett.json: there is no such file. Allowed: the record of a run. "
        "Did you mean 'net.json'?"
    )


@pytest.mark.parametrize(
    ("text", "warning"),
    [
        ("accuracy: {min: 1}", "the baseline net.json failed its own demands: accuracy[min]"),
        (
            "accuracy: {max_drop: 0.1, optional: true}",
            "the baseline net.json was not released: the verdict of its own run is 'not judged'",
        ),
    ],
)
def test_a_baseline_that_was_not_released_is_named_first(gate: Gate, text: str, warning: str) -> None:
    gate.judge(f"dimensions: {{{text}}}", record=BEFORE)
    one = gate.judge(DROPS, baseline=BEFORE)
    assert (one.overall_verdict, one.warnings[0]) == ("pass", warning)
    assert terminal_text(one, 100).splitlines()[1] == f"warning: {warning}"


def test_a_baseline_of_another_precision(gate: Gate) -> None:
    gate.judge("dimensions: {accuracy: {min: 0}}", record="bf16.json", precision="bf16")
    note = "the baseline bf16.json and this run: precision differs: bf16 and fp32"
    assert note in gate.judge(DROPS, baseline="bf16.json").notes


def test_a_first_release_blocks_even_if_the_demand_is_optional(gate: Gate) -> None:
    one = gate.judge(DROP)
    (verdict,) = one.verdicts
    assert (verdict.outcome, verdict.blocks) == ("unmeasurable", True)
    assert verdict.message.startswith(f"accuracy drop could not be measured: {MISSING}\n")
    assert one.warnings == (MISSING,)


def test_a_reference_does_not_replace_a_stated_baseline(gate: Gate) -> None:
    text = f"{DROP.replace('accuracy', 'calibration_error')}\nparity: {{agreement: {{min: 0.1}}}}"
    model = gate.model
    name = "calibration_error[max_drop]"
    outcomes = [
        {row.name: row.outcome for row in gate.judge(text, reference=model, first_release=is_first).verdicts}
        for is_first in (False, True)
    ]
    assert [one.pop(name) for one in outcomes] == ["unmeasurable", "pass"]
    assert outcomes[0] == outcomes[1] == {"parity.agreement[min]": "pass"}


def test_a_stated_baseline_that_no_demand_reports_must_exist(gate: Gate) -> None:
    text = "baseline: relase\ndimensions: {accuracy: {min: 0}}"
    approve(record())
    assert gate.error(text) == (
        "baseline: first release: there is no approved record in baselines/relase yet. Approved are: "
        "release. Approve one with 'quba-check approve', or give Options.first_release."
    )
    gate.session(text, first_release=True).check_files()


def test_a_record_that_is_missing_next_to_its_history(gate: Gate) -> None:
    path = approve(record())
    path.unlink()
    assert gate.error(DROP, first_release=True) == (
        f"baseline: {path} is missing. Restore it, or approve a record again."
    )


def test_a_first_release_is_stated(gate: Gate) -> None:
    text = "dimensions: {accuracy: {min: 0, max_drop: 0.01}}\nparity: {agreement: {min: 0.9}}"
    one = gate.judge(text, first_release=True)
    assert [(row.name, row.outcome) for row in one.verdicts] == [
        ("accuracy[min]", "pass"),
        ("accuracy[max_drop]", "skipped"),
        ("parity.agreement[min]", "skipped"),
    ]
    assert one.verdicts[1].message.startswith(f"accuracy drop was skipped: {SKIPPED}\n")
    assert one.warnings == ("first release: demands on drops and parity are skipped (--quba-first-release)",)
    assert one.overall_verdict == "pass"


def test_the_stated_baseline_is_used(gate: Gate) -> None:
    approve(gate.judge("dimensions: {accuracy: {min: 0}}"))
    one = gate.judge(DROP)
    assert [row.outcome for row in one.verdicts] == ["pass"]
    assert [row.path for row in one.inputs if row.kind == "baseline"] == ["baselines/release/record.json"]
    assert one.warnings == (
        "the demands are looser than those of baselines/release/record.json: accuracy[min] is gone (>= 0)",
    )


@pytest.mark.parametrize(
    ("text", "options"),
    [
        (DROP, {"first_release": True}),
        (DROP, {"no_looser": True}),
        ("dimensions: {accuracy: {min: 0}}", {"no_looser": True}),
        (DROP.replace("release", "other"), {"no_looser": True}),
        (DROP, {"no_looser": True, "first_release": True}),
    ],
    ids=["with a baseline", "looser", "without a baseline", "a missing baseline", "both options"],
)
def test_options_that_the_baseline_excludes(
    gate: Gate, text: str, options: dict[str, bool], snapshot: SnapshotAssertion
) -> None:
    approve(judged("dimensions: {corruption_robustness: {min: 0.5}}"))
    assert gate.error(text, **options) == snapshot


def test_options_without_conflict(gate: Gate) -> None:
    gate.session(DROP, first_release=True).check_files()
    approve(judged("dimensions: {corruption_robustness: {min: 0.5}}"))
    text = "baseline: release\ndimensions: {corruption_robustness: {min: 0.5}, accuracy: {max_drop: 0}}"
    gate.session(text, no_looser=True).check_files()


def rewrite(manifest: Path, old: str, new: str) -> None:
    manifest.write_text(manifest.read_text().replace(old, new))


def remove_an_image(data: Path) -> None:
    next((data / "val").glob("*/*")).unlink()


def relabel_an_image(data: Path) -> None:
    image = min((data / "val").glob("*/*"))
    image.rename(max((data / "val").iterdir()) / f"new-{image.name}")


def declare_groups(data: Path) -> None:
    rewrite(data / "quba-data.yaml", "path: val,", "path: val, group: {folders: 1},")


def skip_the_crop(data: Path) -> None:
    rewrite(data / "quba-data.yaml", "path: val,", "path: val, prepared: true,")


@pytest.mark.parametrize("relabelled", [False, True])
def test_other_slices_are_no_slices_of_the_baseline(gate: Gate, data: Path, *, relabelled: bool) -> None:
    """The images and labels are the same; one image is in the other slice."""
    images = sorted((data / "val").glob("*/*"))
    rows = [f"{one.relative_to(data)},{one.parent.name},{'ab'[k % 2]}" for k, one in enumerate(images)]
    (data / "val.csv").write_text("\n".join(["path,label,half", *rows]))
    clean = "clean: {reader: csv, path: val.csv, slices: [half]}"
    rewrite(data / "quba-data.yaml", "clean: {reader: folder, path: val, expected: 9}", clean)
    half = "{min: 0, max_drop: 0.9, min_images: 1}"
    text = f"baseline: release\ndimensions: {{accuracy: {{max_drop: 0.9, slices: {{half=a: {half}}}}}}}"
    approve(gate.judge(text, data=data, first_release=True))
    if relabelled:
        (data / "val.csv").write_text("\n".join(["path,label,half", *rows])[:-1] + "b")
    *others, drop = gate.judge(text, data=data).verdicts
    assert {row.outcome for row in others} == {"pass"}
    assert drop.outcome == ("unmeasurable" if relabelled else "pass")
    if relabelled:
        assert "it differs in slices of clean. Allowed: " in drop.message
        assert "in slices of clean. Allowed: the same images" in gate.error(text, data=data, no_looser=True)
    else:
        gate.judge(text, data=data, no_looser=True)


@pytest.mark.parametrize(
    ("change", "options", "difference"),
    [
        (remove_an_image, {}, "images of clean"),
        (relabel_an_image, {}, "images of clean"),
        (declare_groups, {}, "groups of clean"),
        (skip_the_crop, {}, "prepared of clean"),
        (None, {"limit": 5}, "images of clean (Options.limit: no limit and 5)"),
    ],
)
def test_other_images_are_looser_demands(
    gate: Gate, data: Path, change, options: dict[str, int], difference: str
) -> None:
    """No demand is on a drop, whose verdict would show it."""
    approve(gate.judge(ACCURACY, first_release=True))
    gate.judge(ACCURACY, no_looser=True)
    if change is not None:
        change(data)
    assert gate.judge(ACCURACY, data=data, **options).overall_verdict == "pass"
    assert gate.error(ACCURACY, data=data, no_looser=True, **options) == (
        f"Options.no_looser: this run differs from baselines/release/record.json in {difference}. Allowed: "
        "the same images and labels, and the same Options.limit and Options.seed. Restore "
        "them, or approve a record of a run without the option."
    )


def test_another_encoding_of_corruptions_is_a_looser_demand(gate: Gate, data: Path) -> None:
    manifest = data / "quba-data.yaml"
    text = ACCURACY.replace("accuracy", "corruption_robustness")
    rewrite(manifest, "{reader: folder, path: c, prepared: true}", "{generate: from clean, sample: one}")
    approve(gate.judge(text, data=data, first_release=True))
    rewrite(manifest, "sample: one}", "sample: one, encode: jpeg85}")
    error = gate.error(text, data=data, no_looser=True)
    assert "in encoding of corruptions (none and jpeg85). Allowed" in error


SPACES = "spaces: {same: {by: mean, apple: [apple], brick: [brick], cloud: [cloud]}}\n"
NIGHT = "dimensions: {ood_robustness: {parts: {night: {min: 0, max_drop: 0.9}}}}"
SERVED = "dimensions: {accuracy: [{pipeline: app, min: 0}, {max_drop: 0.9}]}"
APP = "serving: {app: {jpeg: 20}}\n"
CALL = "serving: {app: {call: 'shop_a:prepare'}}\n"


@pytest.mark.parametrize(
    ("text", "rule", "old", "new", "difference"),
    [
        (
            NIGHT,
            SPACES,
            "brick: [brick], cloud: [cloud]",
            "brick: [cloud], cloud: [brick]",
            "label space night",
        ),
        (NIGHT, SPACES, "by: mean", "by: argmax", "label space night"),
        (NIGHT, SPACES, ", space: same", "", "label space night"),
        (SERVED, APP, "jpeg: 20", "jpeg: 90", "serving pipeline app"),
        (SERVED, CALL, "shop_a", "shop_b", "serving pipeline app"),
    ],
)
def test_other_rules_are_looser_demands(
    gate: Gate, data: Path, monkeypatch, text: str, rule: str, old: str, new: str, difference: str
) -> None:
    """The images are the same: label spaces and pipelines decide which answers count."""
    for name, end in (("shop_a", "* 0"), ("shop_b", "* 1")):
        code = f"import numpy as np\n\n\ndef prepare(image):\n    return np.asarray(image) {end}\n"
        Path(f"{name}.py").write_text(code)
    monkeypatch.syspath_prepend(Path.cwd())
    manifest = data / "quba-data.yaml"
    text = f"baseline: release\n{text}"
    rewrite(manifest, "path: night}", f"path: night{', space: same' if text.endswith(NIGHT) else ''}}}")
    manifest.write_text(manifest.read_text() + rule)
    before = gate.judge(text, data=data, first_release=True)
    approve(before)
    moved = Path(shutil.copytree(data, "moved", symlinks=True))
    same = gate.judge(text, data=moved, no_looser=True)
    assert same.suite.contents == before.suite.contents
    assert {row.outcome for row in same.verdicts} == {"pass"}
    rewrite(manifest, old, new)
    if difference.startswith("label"):
        drop = gate.judge(text, data=data).verdicts[1]
        assert f"it differs in {difference}. Allowed" in drop.message
    error = gate.error(text, data=data, no_looser=True)
    assert f"differs from baselines/release/record.json in {difference}. Allowed" in error


def test_a_set_of_the_baseline_that_is_gone(gate: Gate, data: Path) -> None:
    text = "baseline: release\ndimensions: {ood_robustness: {min: 0, optional: true}}"
    approve(gate.judge(text, first_release=True))
    rewrite(data / "quba-data.yaml", "    night: {reader: folder, path: night}\n", "")
    drop = (
        "baseline: release\ndimensions: {ood_robustness: {max_drop: 0.9, parts: {sketch: {max_drop: 0.9}}}}"
    )
    whole, sketch = gate.judge(drop, data=data).verdicts
    assert (whole.outcome, sketch.outcome) == ("unmeasurable", "pass")
    assert whole.message.startswith(
        "ood_robustness drop could not be measured: baselines/release/record.json cannot be its baseline: it "
        "differs in sets (night). Allowed: a record of the same protocol, images and classes\n"
    )
    error = gate.error(text, data=data, no_looser=True)
    assert "release/record.json in images of night. Allowed: the same images" in error


def test_a_swapped_record_is_refused(gate: Gate) -> None:
    path = approve(record())
    path.write_text(record(accuracy=0.5).to_json())
    for options in ({}, {"baseline": path}):
        assert gate.error(DROP, **options).startswith(
            f"baseline: {path} is not the record that was approved last: its SHA-256 is "
        )
    shutil.copy(path, "copy.json")
    gate.session(DROP, baseline=Path("copy.json").absolute()).check_files()


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
    assert session.approved.run is not None
    assert session.approved.run.file == "old.json"


def test_an_old_baseline_and_a_waiver_that_ends(gate: Gate) -> None:
    gate.judge("dimensions: {accuracy: {min: 0.1}}", record=BEFORE)
    content = json.loads(BEFORE.read_text(encoding="utf-8"))
    content["environment"]["time"] = f"{today() - timedelta(days=91)}T00:00:00+00:00"
    Path("old.json").write_text(json.dumps(content), encoding="utf-8")
    waive = f"waive: {{until: {today()}, by: ann, reason: new, at_least: 0.1}}"
    text = f"dimensions: {{accuracy: [{{max_drop: 0.5}}, {{min: 0.99, {waive}}}]}}"
    assert gate.judge(text, baseline=Path("old.json")).warnings == (
        "the baseline old.json is 91 days old. Approve the model that is in use",
        f"the waiver of accuracy[min] ends in 0 days: waived until {today()} by ann: new",
    )
