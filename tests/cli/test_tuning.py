"""`quba-check what-if` and `tune` as people type them."""

import json
import shlex
from pathlib import Path

import pytest
from cli.conftest import Run
from support.tuned import judged, quantity, record
from syrupy.assertion import SnapshotAssertion

from quba_check.cli.main import main
from quba_check.records.record import Record


def later(run: Record) -> Record:
    """A run at another time, thus another run."""
    environment = run.environment.model_copy(update={"time": "2026-01-02T00:00:00+00:00"})
    return run.model_copy(update={"environment": environment})


@pytest.fixture
def run(run: Run):
    """Run a command in a folder with two records and a threshold file."""
    Path("a.json").write_text(record().to_json(), encoding="utf-8")
    Path("b.json").write_text(later(record(0.88)).to_json(), encoding="utf-8")
    Path("released.json").write_text(record(protocol="released").to_json(), encoding="utf-8")
    Path("empty.json").write_text(later(record(measurements={})).to_json(), encoding="utf-8")
    suite = {"name": "mine", "root": "/data", "fingerprint": "1"}
    Path("other.json").write_text(record(suite=suite).to_json(), encoding="utf-8")
    suite = {"name": "tiny", "root": "/data", "fingerprint": "2"}
    Path("limited.json").write_text(record(suite=suite, limit=500).to_json(), encoding="utf-8")
    Path("latin.yaml").write_bytes("# für".encode("latin-1"))
    Path("folder.yaml").mkdir()
    Path("gate.yaml").write_text("schema: 1\ndimensions: {accuracy: {min: 0.85}}\n", encoding="utf-8")
    Path("hard.yaml").write_text(
        "schema: 1\nuncertain: fail\ndimensions: {accuracy: {min: 0.895}, parameters: {max: 5}}\n",
        encoding="utf-8",
    )

    def command(*words: str) -> tuple[int, str, str]:
        code, out, err = run(shlex.join(words))
        return code, out.removesuffix("\n"), err

    return command


def test_what_if(run, snapshot: SnapshotAssertion) -> None:
    assert run("what-if", "a.json", "gate.yaml", "hard.yaml") == (1, snapshot, "")
    assert run("what-if", "a.json", "b.json", "gate.yaml")[0] == 0


def test_tune_on_judged_images(run) -> None:
    Path("judged.json").write_text(judged("dimensions: {accuracy: {min: 0.95}}").to_json(), encoding="utf-8")
    note = "these thresholds come from the images that the gate judges, so a later pass is less evidence"
    assert note in run("tune", "judged.json", "-o", "new.yaml")[2].splitlines()
    assert note not in run("tune", "a.json", "-o", "new.yaml")[2].splitlines()


def test_tune_adds_demands_only_when_asked(run, snapshot: SnapshotAssertion) -> None:
    Path("mine.yaml").write_bytes(b"schema: 1\r\ndimensions:\r\n  accuracy: {max_drop: 0.01}\r\n")
    assert run("tune", "a.json", "-o", "mine.yaml") == (0, "mine.yaml: nothing to change", snapshot)
    assert run("tune", "a.json", "-o", "mine.yaml", "--add")[2] == snapshot
    lines = Path("mine.yaml").read_bytes().decode().split("\r\n")
    assert lines[3] == "  corruption_robustness: {min: 0.58}          # tuned: 0.620 (0.581..0.659) in a.json"
    assert len(lines) == 7


DROPS = "schema: 1\ndimensions: {accuracy: {min: 0.85, max_drop: 0.01, max_relative_drop: 5%}}\n"


def test_what_if_counts_drops_from_a_baseline(run, snapshot: SnapshotAssertion) -> None:
    Path("drops.yaml").write_text(DROPS, encoding="utf-8")
    assert run("what-if", "b.json", "drops.yaml", "--baseline", "a.json") == (1, snapshot, "")
    assert run("what-if", "b.json", "drops.yaml") == (1, snapshot, "")


def test_tune_leaves_out_what_is_masked(run) -> None:
    rows = {"adversarial_robustness": quantity(0.95, 0.01, "ratio", parts={}, masked=["FGSM helps"])}
    Path("m.json").write_text(
        record(measurements={**record().measurements, **rows}).to_json(), encoding="utf-8"
    )
    code, _, err = run("tune", "m.json", "-o", "new.yaml")
    assert code == 0
    assert err.startswith("left out, masked and so no evidence of robustness: adversarial_robustness\n")
    assert "adversarial_robustness" not in Path("new.yaml").read_text(encoding="utf-8")


def test_what_if_cuts_nothing_however_many_files(run) -> None:
    """Nine names of 31 letters on a terminal of 80 columns, and a model whose name alone is wider."""
    files = [f"release-candidate-gate-{place}.yaml" for place in range(9)]
    for file in files:
        Path(file).write_text("schema: 1\ndimensions: {accuracy: {min: 0.85}}\n", encoding="utf-8")
    named = json.loads(Path("a.json").read_text())
    named["model"]["name"] = "m" * 300
    Path("a.json").write_text(json.dumps(named))
    width = len(files[0])
    assert run("what-if", "a.json", *files)[1].splitlines() == [
        f"{'m' * 300} on tiny, protocol standard",
        "demand         " + "  ".join(files),
        "accuracy[min]  " + "  ".join(["PASS >= 0.85".ljust(width)] * 9).rstrip(),
        "released       " + "  ".join(["yes".ljust(width)] * 9).rstrip(),
    ]


def test_what_if_distinguishes_files_of_one_name(run, snapshot: SnapshotAssertion) -> None:
    for folder, limit in (("old", 0.85), ("new", 0.95)):
        Path(folder).mkdir()
        Path(folder, "x.yaml").write_text(
            f"schema: 1\ndimensions: {{accuracy: {{min: {limit}}}, object_focus: {{min: 0.9}}}}\n",
            encoding="utf-8",
        )
    assert run("what-if", "a.json", "old/x.yaml", "gate.yaml", "new/x.yaml")[1] == snapshot


def test_tune_writes_and_then_edits(run) -> None:
    code, told, _ = run("tune", "a.json", "-o", "new/mine.yaml")
    assert code == 0
    assert told == Path("new/mine.yaml").read_text().rstrip("\n")
    assert "  accuracy: {min: 0.88}                       # tuned: 0.900 (0.880..0.920) in a.json" in told
    assert run("tune", "a.json", "-o", "new/mine.yaml")[1] == "new/mine.yaml: nothing to change"
    code, told, _ = run("tune", "a.json", "b.json", "-o", "gate.yaml")
    assert "-dimensions: {accuracy: {min: 0.85}}" in told.splitlines()
    assert run("what-if", "a.json", "b.json", "gate.yaml")[0] == 0


def test_tune_counts_a_run_once(run, snapshot: SnapshotAssertion) -> None:
    Path("copy.json").write_bytes(Path("a.json").read_bytes())
    code, told, err = run("tune", "a.json", "copy.json", "--z", "1", "-o", "x.yaml")
    assert code == 0
    assert "  accuracy: {min: 0.89}                       # tuned: 0.900 (0.880..0.920) in a.json" in told
    assert err == snapshot
    told = run("tune", "a.json", "copy.json", "b.json", "-o", "x.yaml")[1]
    assert "# tuned: 0.880 (0.860..0.900) in b.json, the worst of 2" in told


def test_tune_knows_the_parts_of_the_records_suite(run) -> None:
    part = quantity(0.6, 0.02, "ratio", better="high")
    row = quantity(0.6, 0.02, "ratio", better="high", parts={"negative": part})
    Path("shifted.json").write_text(
        later(record(measurements={"ood_robustness": row})).to_json(), encoding="utf-8"
    )
    text = "schema: 1\ndimensions:\n  ood_robustness: {min: 0.5, parts: {negative: {min: 0.4}}}\n"
    Path("mine.yaml").write_text(text, encoding="utf-8")
    assert run("tune", "shifted.json", "-o", "mine.yaml")[0] == 0
    assert "ood_robustness: {min: 0.56, parts: {negative: {min: 0.4}}}" in Path("mine.yaml").read_text()


def test_tune_names_the_bounds_on_parts_that_every_model_meets(run) -> None:
    parts = {f"@set={name}": quantity(value, 0.01, "fraction") for name, value in (("fog", 0), ("snow", 0.9))}
    row = quantity(0.9, 0.01, "fraction", better="high", parts=parts)
    Path("parts.json").write_text(record(measurements={"accuracy": row}).to_json(), encoding="utf-8")
    Path("parts.yaml").write_text(
        "schema: 1\ndimensions: {accuracy: [{set: fog, min: 0.5}, {set: snow, min: 0.5}]}\n", encoding="utf-8"
    )
    code, _, err = run("tune", "parts.json", "-o", "parts.yaml")
    note = "a bound of 0 or less, which every model meets: accuracy@set=fog"
    assert (code, err.splitlines()[-1]) == (0, note)


def test_tune_by_other_models(run) -> None:
    code, told, _ = run("tune", "--percentile", "50", "-o", "median.yaml")
    assert code == 0
    assert "protocol: released" in told
    code, told, _ = run("tune", "--like", "ResNet50", "-o", "r50.yaml")
    assert "  parameters: {max: 25.6}                     # tuned: ResNet50 as published" in told
    for name in ("inception_v4.tf_in1k", "timm:inception_v4.tf_in1k"):
        assert "# tuned: InceptionV4 as published" in run("tune", "--like", name, "-o", f"{name[:4]}.yaml")[1]


def test_the_names_that_tune_knows(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tune", "--like", "list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 326
    assert lines[0] == "AlexNet"
    assert "InceptionV4\tinception_v4.tf_in1k" in lines


@pytest.mark.parametrize(
    "words",
    [
        "what-if a.json",
        "tune -o x.yaml",
        "tune a.json --like ResNet50 -o x.yaml",
        "tune a.json released.json -o x.yaml",
        "tune --percentile 50 -o gate.yaml",
        "tune a.json -o folder.yaml",
        "tune a.json -o x.json",
        "tune empty.json a.json -o x.yaml",
        "tune a.json other.json -o x.yaml",
        "tune a.json b.json limited.json -o x.yaml",
        "tune --percentile 50 --z 1.645 -o x.yaml",
        "tune --like ResNet50 --population demo -o x.yaml",
    ],
)
def test_mistakes(run, words: str, snapshot: SnapshotAssertion) -> None:
    assert run(*words.split()) == (4, "", snapshot)


CLASSES = """\
schema: 1
classes:
  disc:
    recall: {min: 0.5}
    auroc: {min: 0.5} # mine
    f1: {max_drop: 0.1}
    at: {probability: 0.3}
  not_as: {disc: {"ring": {max: 0.5}}}
"""


def with_classes(named: int) -> Record:
    """A run with numbers of classes, and a table of some classes."""
    parts = {
        "disc.recall@probability=0.3": quantity(0.9, 0.01, "fraction", better="high"),
        "disc.auroc": quantity(0.9, 0.01, "fraction", better="high"),
        "disc.f1@probability=0.3": quantity(0.9, 0.01, "fraction", better="high"),
        "not_as.disc.ring": quantity(0.1, 0.01, "fraction", better="low"),
    }
    names = ("disc", "ring", *map(str, range(named - 2)))
    tables = {"classes": {"columns": ["class"], "rows": [[name] for name in names]}}
    row = quantity(0.9, 0.01, "fraction", better="high", parts=parts, tables=tables)
    return record(measurements={"classes": row})


def test_numbers_of_classes(run, snapshot: SnapshotAssertion) -> None:
    Path("c.json").write_text(with_classes(10).to_json(), encoding="utf-8")
    Path("c.yaml").write_text(CLASSES, encoding="utf-8")
    code, output, _ = run("what-if", "c.json", "c.yaml")
    assert code == 1
    assert "classes.disc.recall@probability=0.3[min]   PASS >= 0.5" in output
    assert "classes.not_as.disc.ring[max]              PASS <= 0.5" in output
    assert run("tune", "c.json", "-o", "c.yaml")[0] == 0
    assert Path("c.yaml").read_text(encoding="utf-8") == snapshot


def test_only_the_bounds_of_an_extending_file_are_tuned(run) -> None:
    """The operating point is in the extended file, so the file alone would demand another number."""
    Path("c.json").write_text(with_classes(10).to_json(), encoding="utf-8")
    base = "schema: 1\nclasses: {disc: {recall: {min: 0.1}, auroc: {min: 0.1}, at: {probability: 0.3}}}\n"
    Path("base.yaml").write_text(base, encoding="utf-8")
    own = "schema: 1\nextends: base.yaml\nclasses:\n  disc:\n    recall: {min: 0.5}\n"
    Path("c.yaml").write_text(own, encoding="utf-8")
    assert run("tune", "c.json", "-o", "c.yaml")[0] == 0
    assert "    recall: {min: 0.88} " in Path("c.yaml").read_text(encoding="utf-8")
    assert Path("base.yaml").read_text(encoding="utf-8") == base


def test_misspelt_classes_of_a_record(run, snapshot: SnapshotAssertion) -> None:
    """Names are checked if the record lists all classes."""
    Path("c.yaml").write_text("schema: 1\nclasses: {dics: {recall: {min: 0.5}}}\n", encoding="utf-8")
    Path("c.json").write_text(with_classes(10).to_json(), encoding="utf-8")
    assert run("what-if", "c.json", "c.yaml")[2] == snapshot
    full = 'schema: 1\nclasses: {"disc, a shape": {auroc: {min: 0.5}}}\n'
    Path("c.yaml").write_text(full, encoding="utf-8")
    code, output, _ = run("what-if", "c.json", "c.yaml")
    assert code == 0
    assert "classes.disc.auroc[min]" in output
