"""Whatever a file holds or a user types: one line, an exit code of the table, no traceback."""

import contextlib
import io
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from PIL import Image
from ruamel.yaml import YAML
from support.hostile import FUZZ, ODD_NUMBERS, ODD_TEXT, json_files, yaml_files
from support.tuned import record

from quba_check.cli.main import main
from quba_check.errors import UserError
from quba_check.gate.named_files import named_files, threshold_files
from quba_check.gate.options import OPTIONS
from quba_check.gate.session import GateSession
from quba_check.gate.threshold_files import default_files, with_shipped_file
from quba_check.messages import visible
from quba_check.pytest_plugin.options import options_of
from quba_check.suites import open_suite

EXIT_CODES = {0, 1, 2, 4, 5, 6}
REFUSED = 4


def tree(text: str) -> Any:
    """The content of a YAML text."""
    return YAML(typ="safe", pure=True).load(text)


MANIFEST = tree("""
schema: 1
name: tiny
classes: [apple, brick, cloud]
image_size: 8
sets:
  clean: {reader: folder, path: val, expected: 3}
  corruptions: {generate: from clean, sample: one, encode: jpeg85}
  shifts:
    sketch: {reader: csv, path: sketch.csv, space: coarse}
    night: {reader: webdataset, path: "night-{0..1}.tar"}
    dusk: {reader: arrays, path: dusk.npz, images: x, labels: y}
    noon: {reader: parquet, path: noon.parquet, label: label}
  mixed_same: {reader: folder, path: val, prepared: true, partial: true}
  mixed_rand: {reader: folder, path: val}
  cue_conflict: {reader: cue-conflict, path: cues}
spaces: {coarse: {food: [apple], other: [brick, cloud], by: argmax}}
prompts: {templates: ["a photo of a {}."], names: {brick: red brick}}
""")
CIFAR = tree("""
schema: 1
name: cifar
classes: classes.txt
sets:
  clean: {reader: folder, path: val}
  corruptions: {reader: arrays, path: c, expected: 3, prepared: true}
""")
THRESHOLDS = tree("""
schema: 1
name: gate
extends: mobile
protocol: standard
uncertain: fail
confidence: 0.9
dimensions:
  accuracy: {min: 0.5, max_drop: 0.01, tier: warn, optional: true}
  corruption_robustness: {min: 0.4, parts: {fog: {min: 0.5, max_relative_drop: "2%"}}}
  calibration_error: {max: 0.05}
  parameters: {max: 30}
quba:
  min_score: -1
  min_grade: C
  weights: {accuracy: 2, shape_bias: 0}
  population: published
  allow_missing: [shape_bias, class_balance, object_focus]
""")
PLAIN = {"schema": 1, "dimensions": {"accuracy": {"min": 0.5}}}
RECORD = json.loads(record().to_json())
BARE = RECORD | tree("""
measurements:
  accuracy: {value: 0.9, unit: fraction, n: 1000, better: high, notes: [odd]}
  corruption_robustness:
    {value: 0.6, unit: ratio, n: 75, better: high, parts: {fog: {value: 0.5, unit: ratio, better: high}}}
  ood_robustness: {value: 0.6, unit: ratio, parts: {sketch: {value: 0.4, unit: ratio, better: high}}}
  calibration_error: {value: 0.02, unit: fraction, n: 1000, debiased: 0.01, debiased_limit: 0.03}
  parameters: {value: 25, unit: millions}
  shape_bias: {unmeasurable: no images, missing_data: true}
  adversarial_robustness: {value: 0.1, unit: ratio, interval: [0, 0.2]}
verdicts:
- {id: x, dimension: accuracy, part: null, key: min, bound: 0.5, tier: block, outcome: fail, file: x.yaml,
   line: 3, message: too low}
grades:
- {file: x.yaml, score: 0.1, percentile: 50, letter: C, population: published,
   protocol_of_population: standard, complete: false, missing: [shape_bias]}
limit: 100
""")
BARE["suite"] = RECORD["suite"] | tree("""
sets: {clean: {images: 1000, expected: 5000}, corruptions: {images: 75}}
contents: {clean: x}
""")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with a small suite, a sound record and a sound threshold file, which is the current one."""
    root = tmp_path_factory.mktemp("fuzz")
    for name in MANIFEST["classes"]:
        (root / "data" / "val" / name).mkdir(parents=True)
        Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(root / "data" / "val" / name / "1.png")
    (root / "data" / "sketch.csv").write_text("path,label\nval/apple/1.png,food\n")
    (root / "data" / "classes.txt").write_text("apple\nbrick\ncloud\n")
    np.savez(root / "data" / "dusk.npz", x=np.zeros((3, 8, 8), np.uint8), y=np.arange(3))
    (root / "sound.json").write_text(json.dumps(RECORD))
    (root / "sound.yaml").write_text(json.dumps(PLAIN))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        patch.setenv("QUBA_STORE", str(root / "store"))
        yield root


def one_line(call: Callable[[], object]) -> None:
    """Call something that may refuse what it gets, in one line."""
    try:
        call()
    except UserError as problem:
        text = str(problem)
        assert text, "a mistake without a word"
        assert visible(text) == text


def command(*words: str) -> int:
    """The exit code of a command, whose messages are one line if it fails."""
    out = io.StringIO()
    errors = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(errors):
        try:
            code = main(words)
        except SystemExit as end:  # --help
            code = end.code
    assert code in EXIT_CODES
    out.getvalue().encode("utf-8")
    if code == REFUSED:
        (line,) = errors.getvalue().splitlines()
        assert line.startswith("ERROR: ")
        assert visible(line) == line
    return code


@given(content=yaml_files(THRESHOLDS, PLAIN))
@FUZZ
def test_threshold_files(folder: Path, content: bytes) -> None:
    path = folder / "x.yaml"
    path.write_bytes(content)
    run = GateSession(options_of(config(quba_model=["nets:net"], quba_data=str(folder / "data"))), folder)
    (folder / "data" / "quba-data.yaml").write_text(json.dumps(MANIFEST))
    one_line(lambda: run.thresholds(path))
    if command("what-if", "sound.json", "x.yaml", "--baseline", "sound.json") != REFUSED:
        command("lint", "x.yaml", "--images", "100")
        command("tune", "sound.json", "-o", "x.yaml", "--add")


@given(content=yaml_files(MANIFEST, CIFAR))
@FUZZ
def test_manifests(folder: Path, content: bytes) -> None:
    (folder / "data" / "quba-data.yaml").write_bytes(content)

    def listed() -> None:
        suite = open_suite(folder / "data")
        for view in suite.views():
            one_line(lambda view=view: suite.examples(view))

    one_line(listed)
    command("suite", "describe", "data")


@given(content=json_files(RECORD, BARE, BARE))
@FUZZ
def test_records(folder: Path, content: bytes) -> None:
    (folder / "x.json").write_bytes(content)
    (folder / "new.yaml").unlink(missing_ok=True)
    if command("what-if", "x.json", "sound.yaml", "mobile") == REFUSED:
        return
    command("what-if", "x.json", "sound.yaml", "mobile", "--baseline", "sound.json")
    command("what-if", "sound.json", "mobile", "--baseline", "x.json")
    command("compare", "x.json", "sound.json", "--format", "json")
    command("compare", "sound.json", "x.json", "--parts")
    command("lint", "mobile", "--images", "100", "--record", "x.json")
    command("tune", "x.json", "-o", "new.yaml")


POPULATION = {"schema": 1, "name": "fleet", "protocol": "standard", "suite": "tiny"}
POPULATION["rows"] = [
    {
        "id": f"m{k}",
        "values": {"accuracy": 0.8 + k / 100, "parameters": 5.0 + k, "calibration_error": 0.01 * k},
    }
    for k in range(10)
]
WITH_FLEET = PLAIN | tree("""
quba: {min_score: 0, population: fleet.json, allow_missing: [shape_bias], weights: {accuracy: 1}}
""")


@given(content=json_files(POPULATION))
@FUZZ
def test_populations(folder: Path, content: bytes) -> None:
    (folder / "fleet.json").write_bytes(content)
    (folder / "fleet.yaml").write_text(json.dumps(WITH_FLEET))
    command("what-if", "sound.json", "fleet.yaml")
    command("tune", "--percentile", "50", "--population", "fleet.json", "-o", "new.yaml")


def config(**given: object) -> SimpleNamespace:
    """What pytest knows after it has read its command line."""
    return SimpleNamespace(
        option=SimpleNamespace(**dict.fromkeys(option.key for option in OPTIONS) | given),
        getini=lambda _: None,
        inipath=None,
        invocation_params=SimpleNamespace(dir=Path.cwd()),
        _get_unknown_ini_keys=set,
    )


# Nothing outside the folder is named that a command could write to.
WORDS = st.one_of(
    st.sampled_from([text for text in ODD_TEXT if not text.startswith("/") or text.startswith("/dev")]),
    st.sampled_from(ODD_NUMBERS).map(str),
    st.sampled_from(
        ("sound.json", "sound.yaml", "data", "x.json", "0", "1", "auto", "cpu", "cuda:9", "fp16")
    ),
    st.text(max_size=12).filter(lambda text: "/" not in text and not text.startswith((".", "~"))),
)
VALUED = {option.key: option for option in OPTIONS if option.metavar is not None and option.field != "models"}


@given(
    given_options=st.dictionaries(st.sampled_from(sorted(VALUED)), WORDS, max_size=4),
    arguments=st.lists(WORDS, max_size=3),
    limit=st.none() | WORDS,
)
@FUZZ
def test_options(
    folder: Path, given_options: dict[str, str], arguments: list[str], limit: str | None
) -> None:
    shutil.copy(folder / "sound.yaml", folder / "default.yaml")
    values = {key: [value] if VALUED[key].repeatable else value for key, value in given_options.items()}
    named_files(arguments, folder)

    def prepare() -> None:
        run = GateSession(options_of(config(quba_model=["nets:net"], **values)), folder)
        named = threshold_files([with_shipped_file(word, folder) for word in arguments], folder)
        for path in (*default_files(run.options, folder), *named):
            run.thresholds(path)

    one_line(prepare)


COMMANDS = ("compare", "what-if", "schema", "lint", "tune", "report", "published", "suite")
FLAGS = (
    "--flips", "--format", "--store", "--baseline", "-o", "--add", "--z", "--percentile", "--population",
    "--like", "--to", "csv", "population", "rank",
    "--images", "--record", "--name", "describe", "make-object-focus", "--boxes", "--masks", "--seed",
    "--help",
)  # fmt: skip


@given(name=st.sampled_from(COMMANDS), words=st.lists(WORDS | st.sampled_from(FLAGS), max_size=6))
@example("compare", ["", "", "a\nb\x00"])
@example("compare", ["sound.json", "sound.json", "--flips", "/dev/null"])
@FUZZ
def test_commands(folder: Path, name: str, words: list[str]) -> None:
    command(name, *words)
