"""The example in the help of each command, run in a folder with real records."""

import shlex
import shutil
from pathlib import Path

import click
import numpy as np
import pytest
from PIL import Image
from support.demo_runs import link_demo_images
from support.sample_records import write_samples
from support.stored import predict
from support.tiny import write_suite

from quba_check.cli.main import main, quba_check
from quba_check.records.measurement import SliceValuesRow, quantity_row
from quba_check.storage.opening import open_store
from quba_check.suites.suite import Suite
from quba_check.verdicts.stored_verdicts import read_record
from tools.reference.options import all_commands

PROMPT = "Example: "
THRESHOLDS = """\
schema: 1
name: release
dimensions:
  accuracy: {min: 0.9}
  ood_robustness: {min: 0.5}
"""


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory, demo_suite: Suite) -> Path:
    """A folder with records, threshold files, images and a store, as users have them."""
    folder = tmp_path_factory.mktemp("examples")
    write_samples(folder)
    for name in ("release.yaml", "thresholds/release.yaml"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(THRESHOLDS, encoding="utf-8")
    (folder / "README.md").write_text("# A model\n", encoding="utf-8")
    (folder / "models.txt").write_text("demo\n", encoding="utf-8")
    shutil.copytree(write_suite(folder / "data") / "val", folder / "photos/val")
    (folder / "train").mkdir()
    Image.effect_noise((40, 40), 90).convert("RGB").save(folder / "train/1.png")
    mask = np.zeros((8, 8), np.uint8)
    mask[2:5, 3:6] = 255
    for path in (folder / "photos/val").rglob("*.png"):
        target = folder / "masks" / path.relative_to(folder / "photos/val")
        target.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(mask).save(target)
    (folder / "pytest.ini").write_text("[pytest]\nquba_thresholds = release.yaml\n", encoding="utf-8")
    write_slices(folder / "my_model.json", folder / "demo.json")
    write_records(folder / "runs", folder / "demo.json")
    predict(open_store(link_demo_images(folder / "store", demo_suite)), "demo", "clean", "sketch")
    return folder


def write_slices(path: Path, origin: Path) -> None:
    """A record with two slices."""
    record = read_record(origin)
    accuracy = record.measurements["accuracy"]
    values = {f"lighting={name}": quantity_row(accuracy, "high") for name in ("day", "night")}
    sliced = accuracy.model_copy(update={"slices": {"lighting": SliceValuesRow(values=values, gaps=values)}})
    changed = record.model_copy(update={"measurements": {**record.measurements, "accuracy": sliced}})
    path.write_text(changed.to_json(), encoding="utf-8")


def write_records(folder: Path, origin: Path) -> None:
    """Ten records of different models, with values in steps of 2 %."""
    record = read_record(origin)
    folder.mkdir()
    for number in range(10):
        model = record.model.model_copy(update={"name": f"model-{number}", "fingerprint": f"{number:064d}"})
        rows = {
            name: row.model_copy(
                update={"value": row.value * (1 - 0.02 * number), "interval": None, "limits": None}
            )
            for name, row in record.measurements.items()
        }
        changed = record.model_copy(
            update={"model": model, "measurements": rows, "verdicts": (), "inputs": ()}
        )
        (folder / f"{number}.json").write_text(changed.to_json(), encoding="utf-8")


@pytest.mark.slow
@pytest.mark.parametrize(("name", "command"), list(all_commands(quba_check)))
def test_the_example(
    name: str,
    command: click.Command,
    project: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    example = str(command.epilog)
    assert example.startswith(f"{PROMPT}quba-check {name} "), f"{name} has no example in its help"
    usage, purpose, *rest = command.get_help(click.Context(command, info_name=name)).split("\n\n")
    assert usage.startswith(f"Usage: {name} ")
    assert purpose.endswith(".")
    assert "%%" not in purpose
    assert example in " ".join(" ".join(rest).split())
    shutil.copytree(project, tmp_path, symlinks=True, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("QUBA_STORE", "store")
    words = shlex.split(example.removeprefix(f"{PROMPT}quba-check "))
    files = [sorted(map(str, Path().glob(word))) if "*" in word else [word] for word in words]
    code = main([word for words in files for word in words])
    output = capsys.readouterr()
    assert code == 0, output
    assert output.out or output.err
