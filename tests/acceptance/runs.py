"""Whole runs of the command, and readers of their files."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from support.tiny import CLASSES, PER_CLASS, SHIFTS

from quba_check.core.dimension import PUBLISHED_DIMENSIONS

HERE = Path(__file__).parent
QUICK = ("-p", "no:hypothesispytest", "-p", "no:syrupy")
"""Hypothesis's plugin takes a second of every run; neither has a part in any."""
NINE = PUBLISHED_DIMENSIONS
CLEAN_IMAGES = PER_CLASS * len(CLASSES)
OTHER_IMAGES = 75 * 3 + 6 * (len(SHIFTS) + 2) + 9
"""Of 75 corruptions, the shifts and mixed sets, and the cue conflicts."""
ALL = """\
name: gate
dimensions:
  accuracy: {min: 0.5}
  adversarial_robustness: {min: 0.1, parts: {pgd: {min: 0.1}}}
  corruption_robustness: {min: 0.5, parts: {fog: {min: 0.2}}}
  ood_robustness: {min: 0.1}
  calibration_error: {max: 0.9}
  class_balance: {min: 0.1}
  object_focus: {min: 0.1}
  shape_bias: {min: 0.1}
  parameters: {max: 1}
quba: {min_score: -100, min_grade: F, allow_other_suite: true}
"""
"""Demands that `nets:net` meets: thirteen of them, on all nine dimensions, two parts and the grade."""
GATE = f"schema: 1\n{ALL}"
Passes = Callable[[], Counter[str]]
"""Returns the images of all passes so far."""


def examined(clean: int = CLEAN_IMAGES) -> int:
    """Images that the doctor shows a healthy model before each run: eight twice and half of them again.

    With sixteen clean images or more it reads answers too, and what that costs depends on them.
    """
    probe = min(8, clean)
    return 2 * probe + (probe + 1) // 2


PGD_PASSES = (49, 46)
"""Forward and backward passes of PGD on the clean images, most of which leave it early, in images."""


def closed_form(runs: int = 1) -> dict[str, int]:
    """Images of all passes that nine dimensions cost: clean, FGSM and PGD; every other image once.

    The doctor's passes come before, in each of several runs.
    """
    forward, backward = PGD_PASSES
    return {
        "forward": 3 * CLEAN_IMAGES + forward + OTHER_IMAGES + runs * examined(),
        "backward": CLEAN_IMAGES + backward,
    }


def are_passes(made: Counter[str], expected: Mapping[str, int], processes: int) -> bool:
    """Return True if passes are the expected ones, and those of checks of stored predictions.

    Each process shows at most 24 images again.
    """
    extra = made["forward"] - expected["forward"]
    return 0 <= extra <= processes * 24 and made["backward"] == expected.get("backward", 0)


@dataclass(frozen=True)
class Finished:
    """A process of the command that ended."""

    code: int
    out: str
    err: str


@dataclass(frozen=True)
class Folder:
    """A folder in which runs happen.

    Attributes:
        root: the folder.
        store: where predictions are kept.
    """

    root: Path
    store: Path

    def write(self, name: str, text: str) -> Path:
        """Write a file of the folder."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    def passes(self) -> Counter[str]:
        """Images of the forward and backward passes that all processes made so far."""
        return passes(self.root / "passes")

    def record(self, name: str = "record.json") -> dict[str, Any]:
        """A record that `--quba-record` named."""
        content: dict[str, Any] = json.loads((self.root / name).read_text(encoding="utf-8"))
        return content

    def outcomes(self, name: str = "record.json") -> dict[str, str]:
        """Outcomes of a record's verdicts, by the demand's name."""
        rows = self.record(name)["verdicts"]
        return {row["id"].partition("::")[2]: row["outcome"] for row in rows}


@dataclass(frozen=True)
class Project(Folder):
    """Runs of the command as processes of their own.

    Attributes:
        data: the suite.
        settings: further environment variables.
        paths: what is run.
    """

    data: Path
    settings: dict[str, str] = field(default_factory=dict)
    paths: tuple[str, ...] = ("thresholds/x.yaml",)

    @classmethod
    def at(cls, root: Path, data: Path, thresholds: str = GATE) -> Project:
        project = cls(root, root / "store", data, {"NETS_NOTES": str(root / "passes")})
        project.write("thresholds/x.yaml", thresholds)
        return project

    def start(self, *arguments: str, **settings: str) -> subprocess.Popen[str]:
        """Start `pytest PATHS --model=nets:net ARGUMENTS`; it may still be running."""
        command = ["pytest", *QUICK, *self.paths, "--model=nets:net", *arguments]
        ours = {"QUBA_DATA": str(self.data), "QUBA_STORE": str(self.store)}
        return start(self.root, *command, **(ours | self.settings | settings))

    def run(self, *arguments: str, **settings: str) -> Finished:
        """Run it to its end."""
        return ended(self.start(*arguments, **settings))


@dataclass(frozen=True)
class Measured:
    """Values of the nine dimensions, and the store that holds what is behind them."""

    store: Path
    values: dict[str, float]


def python_path(*folders: Path | str) -> str:
    """Return a `PYTHONPATH` with folders before those of this process."""
    return os.pathsep.join([*map(str, folders), *filter(None, [os.environ.get("PYTHONPATH")])])


def start(folder: Path, *command: str, **settings: str) -> subprocess.Popen[str]:
    """Start `python -m COMMAND` in a folder, without settings of this process."""
    ours = ("PYTEST_", "NETS_", "QUBA_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    kept |= {"PYTHONPATH": python_path(HERE), "COLUMNS": "80", "OMP_NUM_THREADS": "1", "PYTHONUTF8": "1"}
    return subprocess.Popen(
        [sys.executable, "-m", *command],
        cwd=folder,
        env=kept | settings,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        # A job in the background of a shell ignores Ctrl-C, and so would its children.
        preexec_fn=None if os.name == "nt" else lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def ended(process: subprocess.Popen[str]) -> Finished:
    """Wait for a process that should end by itself, however long a busy machine takes."""
    out, err = process.communicate()
    return Finished(process.returncode, out, err)


def wait_for(flag: Path, process: subprocess.Popen[str]) -> None:
    """Wait until a network's trap has closed; the process waits in it."""
    while not flag.exists():
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)


def passes(notes: Path) -> Counter[str]:
    """Images of the passes that networks noted in a file."""
    counted: Counter[str] = Counter()
    for line in notes.read_text(encoding="utf-8").splitlines() if notes.exists() else ():
        kind, images = line.split()
        counted[kind] += int(images)
    return counted


def same_findings(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Return True if two records agree on model and data: values within 1e-6, all else exactly.

    Environment, notes, command line, and the origin of answers may differ.
    """
    names = (one.keys() | other.keys()) - {"environment", "notes", "command", "predictions"}
    return all(_same(one[name], other[name]) for name in names)


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(_same(one[key], other[key]) for key in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(_same, one, other))
    return bool(one == pytest.approx(other, abs=1e-6)) if isinstance(one, float) else bool(one == other)


def usage_error(result: pytest.RunResult) -> str:
    """The one line that a user's mistake gets."""
    lines = [line for line in result.errlines if line]
    assert result.ret == pytest.ExitCode.USAGE_ERROR, result.outlines
    assert len(lines) == 1, lines
    assert not any(
        "Traceback" in line or re.match(r"E  |.*(?<!popen-)\bgw\d|created:", line) for line in result.outlines
    )
    return lines[0].removeprefix("ERROR: ")


@dataclass(frozen=True)
class Judge(Folder):
    """Runs of the command in this process, where torch is loaded already.

    Attributes:
        pytester: in whose folder they happen.
    """

    pytester: pytest.Pytester

    def __call__(self, *arguments: str, model: str | None = "nets:net") -> pytest.RunResult:
        spec = [] if model is None else [f"--model={model}"]
        return self.pytester.runpytest_inprocess(*QUICK, *arguments, *spec)
