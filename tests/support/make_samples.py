"""Make the stored records of tests again, after a change of the record: python tests/support/make_samples.py

It writes sample_records.zip, with the records of both models of the demo, and the baseline of
tests/acceptance/other_processor. Pages show the time of the runs, so that afterwards one snapshot is updated:
pytest tests/page/test_render.py --snapshot-update
"""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from tempfile import TemporaryDirectory

TESTS = Path(__file__).parents[1]
ROOT = TESTS.parent
SAMPLES = TESTS / "support/sample_records.zip"
OTHER_PROCESSOR = TESTS / "acceptance/other_processor"
DATA = "/data"
"""Stands in records for the folders of this machine."""
RUNS = {
    "demo": ["--model=demo", "--quba-record=demo.json"],
    "textured": ["--model=demo-textured", "--quba-record=textured.json", "--quba-baseline=demo.json"],
}
APPROVED = "--model=colours:network --quba-data=. --quba-first-release --quba-record=r.json thresholds.yaml"


def gate(folder: Path, words: list[str], **variables: str) -> None:
    """Run the gate in a folder, with a store next to it; unmet demands are no error."""
    run = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *words]
    store = {"QUBA_STORE": str(folder.with_name("store"))}
    subprocess.run(run, cwd=folder, env=os.environ | store | variables, check=False)


def without_folders(path: Path, *folders: Path) -> None:
    """Replace folders of this machine in a record."""
    text = path.read_text(encoding="utf-8").replace(f"{ROOT}/quba_check", "quba_check")
    for folder in folders:
        text = text.replace(str(folder), DATA)
    path.write_text(text, encoding="utf-8")


def make_demo_records(folder: Path) -> None:
    """Write the records of the demo's models."""
    for name, words in RUNS.items():
        gate(folder, words)
        without_folders(folder / f"{name}.json", folder.with_name("store"))
    with zipfile.ZipFile(SAMPLES, "w", zipfile.ZIP_DEFLATED) as packed:
        for name in RUNS:
            packed.write(folder / f"{name}.json", f"{name}.json")
            packed.write(folder / f"{name}.npz", f"{name}.npz")


def make_other_baseline(folder: Path) -> None:
    """Write the baseline of a processor without vector instructions."""
    shutil.copytree(OTHER_PROCESSOR, folder, ignore=shutil.ignore_patterns("baseline"), dirs_exist_ok=True)
    gate(folder, APPROVED.split(), ATEN_CPU_CAPABILITY="default", PYTHONPATH=str(folder))
    without_folders(folder / "r.json", folder.with_name("store"), folder)
    words = ["approve", "r.json", "--by", "ann", "--reason", "first"]
    subprocess.run([sys.executable, "-m", "quba_check", *words], cwd=folder, check=True)
    shutil.copytree(folder / "baselines/release", OTHER_PROCESSOR / "baseline", dirs_exist_ok=True)


if __name__ == "__main__":
    for make in (make_demo_records, make_other_baseline):
        with TemporaryDirectory() as temporary:
            place = Path(temporary, "run")
            place.mkdir()
            make(place)
