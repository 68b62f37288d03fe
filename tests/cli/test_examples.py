"""The example in the help of each command, run in a folder with real records."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import numpy as np
import pytest
from PIL import Image
from support.demo_runs import demo_store, write_demo_records
from support.tiny import CLASSES, write_suite

from quba_check.cli.main import quba_check
from quba_check.records.files import read_record

PROMPT = "Example: "
THRESHOLDS = """\
schema: 1
name: release
dimensions:
  accuracy: {min: 0.9}
  ood_robustness: {min: 0.5}
"""


def commands(group: click.Group) -> Iterator[tuple[str, click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            yield from ((f"{name} {inner}", each) for inner, each in commands(command))
        elif command is not None:
            yield name, command


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with records, threshold files and images, as users have them."""
    folder = tmp_path_factory.mktemp("examples") / "project"
    folder.mkdir()
    write_demo_records(folder, demo_store(tmp_path_factory))
    for name in ("release.yaml", "thresholds/release.yaml"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(THRESHOLDS, encoding="utf-8")
    (folder / "README.md").write_text("# A model\n", encoding="utf-8")
    (folder / "models.txt").write_text("demo\n", encoding="utf-8")
    shutil.copytree(write_suite(folder / "data") / "val", folder / "photos/val")
    mask = np.zeros((8, 8), np.uint8)
    mask[2:5, 3:6] = 255
    for path in (folder / "photos/val").rglob("*.png"):
        target = folder / "masks" / path.relative_to(folder / "photos/val")
        target.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(mask).save(target)
    write_fleet(folder / "runs", folder / "demo.json")
    write_store(folder, demo_store(tmp_path_factory))
    return folder


def write_store(folder: Path, origin: Path) -> None:
    """A store with predictions of the demo."""
    for name in ("predictions", "runs"):
        shutil.copytree(origin / name, folder / "store" / name)
    shutil.copy(origin / "format.json", folder / "store")


def write_fleet(folder: Path, origin: Path) -> None:
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
        changed = record.model_copy(update={"model": model, "measurements": rows})
        (folder / f"{number}.json").write_text(changed.to_json(), encoding="utf-8")


def test_the_classes_have_masks(project: Path) -> None:
    assert sorted(path.name for path in (project / "masks").iterdir()) == sorted(CLASSES)


@pytest.mark.parametrize(("name", "command"), list(commands(quba_check)))
def test_the_example(name: str, command: click.Command, project: Path, tmp_path: Path) -> None:
    example = str(command.epilog)
    assert example.startswith(f"{PROMPT}quba-check {name} "), f"{name} has no example in its help"
    help_text = " ".join(command.get_help(click.Context(command, info_name=name)).split())
    assert example in help_text
    folder = tmp_path / "project"
    shutil.copytree(project, folder)
    python = f'quba-check() {{ "{sys.executable}" -m quba_check "$@"; }}; '
    result = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", python + example.removeprefix(PROMPT)],
        cwd=folder,
        env=os.environ | {"QUBA_STORE": str(folder / "store")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    assert result.stdout or result.stderr
