"""Rows on the start of a run: CPU time until something is shown or predicted, and that of the doctor."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import shutil
import signal
import struct
import subprocess
import sys
import termios
import time
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path

from benchmarks import material
from benchmarks.measuring import cpu_of, environment, run
from benchmarks.row import Row
from benchmarks.work import MOBILENET, VIT, Work, request
from quba_check.doctor.examination import Examination, examine_model
from quba_check.evaluation import Evaluation
from quba_check.models.loading import load_classifier
from quba_check.suites.opening import open_suite

GOAL = 2.0
ROUNDS = 5
"""Each row is the best of them."""
CLASSES, PHOTOS_PER_CLASS = 64, 6
PATIENCE = 120.0
PROGRESS = re.compile(rb"\x1b7\r(.+?)\x1b8", re.DOTALL)
"""The progress line: the cursor is saved before it and restored after it."""
STYLES = re.compile(rb"\x1b\[[0-9;?]*[A-Za-z]")
PREDICTED = re.compile(r"\b[\d,]+ (?:of [\d,]+ )?images\b|^doctor: ")
"""A line on predicted images, or on the doctor, who begins with the first ones."""


@dataclass(frozen=True)
class Start:
    """CPU seconds of a run until two moments, and the lines shown at them."""

    first: float
    first_line: str
    predicting: float
    predicting_line: str


def rows(work: Work) -> list[Row]:
    """Return the rows on `pytest --model=demo`, with an empty store and with the demo's images in it."""
    store = work.new_folder()
    results = []
    torch_alone = min(run(["-c", "import torch"], store).cpu for _ in range(ROUNDS))
    for state, lost in {"an empty store": ".", "the demo's images drawn before": "predictions"}.items():
        starts = []
        for _ in range(ROUNDS):
            shutil.rmtree(store / lost, ignore_errors=True)
            store.mkdir(exist_ok=True)
            starts.append(watched_start(store))
        start = min(starts, key=attrgetter("predicting"))
        for what, spent, details in (
            ("the first progress line", start.first, f"'{start.first_line}'"),
            (
                "the first progress line on predicted images",
                start.predicting,
                f"'{start.predicting_line}'; `import torch` alone takes {torch_alone:.1f} s",
            ),
        ):
            results.append(Row.at_most(f"CPU before {what}, demo, {state}", spent, "s", details, GOAL))
    return results + [doctor_row(work, architecture) for architecture in (MOBILENET, VIT)]


def doctor_row(work: Work, architecture: str) -> Row:
    """Return the row on the doctor of a model that is right on nine of ten photos, in folders of a class."""
    root = work.folder / "doctor"
    if not root.exists():
        for number in range(CLASSES):
            first = number * PHOTOS_PER_CLASS
            folder = root / "imagenet" / "val" / material.synsets()[number]
            material.write_photos(folder, range(first, first + PHOTOS_PER_CLASS))
        manifest = (
            "schema: 1\nname: doctor\nclasses: imagenet\nsets:\n"
            "  clean: {reader: folder, path: imagenet/val, partial: true}\n"
        )
        (root / "quba-data.yaml").write_text(manifest, encoding="utf-8")
    path = material.write_fitted_model(architecture, root, root / f"{architecture}.pt")
    suite, store = open_suite(root), work.new_folder()
    examinations: list[Examination] = []

    def spent() -> float:
        """Return the CPU seconds of an examination before a gate, in addition to the run's first shard."""
        classifier = load_classifier(str(path), request(suite, architecture, exact=False))
        evaluation = Evaluation(classifier, suite, store=store)
        evaluation.plan(["accuracy"])
        evaluation.check()
        needs = {"accuracy": ["benchmark.yaml:1"]}
        return cpu_of(lambda: examinations.append(examine_model(evaluation, needs, short=True)))

    best, last = min(spent() for _ in range(ROUNDS)), examinations[-1]
    return Row.at_most(
        f"CPU of the doctor before a gate, {architecture}", best, "s",
        f"best of {ROUNDS}; {last.forwards} images shown and {last.decoded} decoded to check them", GOAL,
    )  # fmt: skip


def watched_start(store: Path) -> Start:
    """Run the demo in a terminal until images are predicted, and end it."""
    main, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 100, 0, 0))
    command = [
        sys.executable,
        "-m",
        "pytest",
        "--model=demo",
        f"--quba-store={store}",
        "-p",
        "no:cacheprovider",
    ]
    process = subprocess.Popen(
        command, stdin=terminal, stdout=terminal, stderr=terminal, cwd=store, start_new_session=True,
        env=environment() | {"TERM": "xterm-256color"},
    )  # fmt: skip
    os.close(terminal)
    output, first = b"", None
    deadline = time.monotonic() + PATIENCE
    try:
        while time.monotonic() < deadline:
            if not select.select([main], [], [], 0.05)[0]:
                continue
            try:
                output += os.read(main, 65536)
            except OSError:  # the terminal is closed: the command ended
                break
            spent = _cpu(process.pid)
            lines = [STYLES.sub(b"", line).decode("utf-8", "replace") for line in PROGRESS.findall(output)]
            if lines and first is None:
                first = spent, lines[0]
            if counting := next((line for line in lines if PREDICTED.search(line)), None):
                return Start(*(first or (spent, counting)), spent, counting)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        os.close(main)
    raise SystemExit(f"{' '.join(command)}: no images were predicted. It printed: {output[-2000:]!r}")


def _cpu(pid: int) -> float:
    """Return the CPU seconds of a running process and its ended children, from Linux's /proc."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")
