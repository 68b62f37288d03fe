"""Approvals, waivers and damage in any order, against a plain model of what may be released."""

import io
import shutil
import tempfile
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from support.gate import thresholds
from support.runs_compared import stored

from quba_check.cli import files
from quba_check.cli.main import main
from quba_check.demands import bounds
from quba_check.errors import UserError
from quba_check.gate.baseline import SessionBaseline
from quba_check.gate.options import Options
from quba_check.records.baselines import approved_record
from quba_check.records.files import write_images, write_record
from quba_check.tuning.what_if import what_if


@dataclass(frozen=True)
class Run:
    """A judged run: its accuracy in percent, whether it may be released, and the last day of its waiver."""

    accuracy: int
    passes: bool
    waived_until: date | None


@dataclass(frozen=True)
class Files:
    """The files of a baseline, with the accuracy that the record states."""

    record: bytes | None
    images: bytes | None
    accuracy: int


class ApproveAndWaive(RuleBasedStateMachine):
    """Runs with `accuracy >= 0.8` and at most five points below the approved one, and their approvals."""

    def __init__(self) -> None:
        super().__init__()
        self.root = Path(tempfile.mkdtemp())
        self.folder = self.root / "baselines" / "release"
        (self.root / "pytest.ini").touch()
        self.patch = pytest.MonkeyPatch()
        self.patch.chdir(self.root)
        for module in (bounds, files):
            self.patch.setattr(module, "today", lambda: self.today)
        self.today = date(2026, 1, 1)
        self.run: Run | None = None
        self.history: list[Files] = []
        self.now: Files | None = None
        """The files as they are; None before the first approval."""

    def teardown(self) -> None:
        self.patch.undo()
        shutil.rmtree(self.root)

    @property
    def is_intact(self) -> bool:
        return self.now is None or [self.now] == self.history[-1:]

    @initialize()
    def begin(self) -> None:
        self.judge(84, None, images=True)
        self.approve(0, reason=False)
        self.approve(0, reason=True)

    @rule(
        accuracy=st.sampled_from([72, 79, 84]),
        waiver=st.none() | st.tuples(st.sampled_from([-1, 0, 1]), st.sampled_from([70, 79])),
        images=st.booleans(),
    )
    def judge(self, accuracy: int, waiver: tuple[int, int] | None, images: bool) -> None:
        waive = ""
        until = None
        least = 80
        if waiver is not None:
            until = self.today + timedelta(days=waiver[0])
            least = waiver[1]
            waive = f", waive: {{until: {until}, by: ann, reason: r, at_least: {least / 100}}}"
        text = f"baseline: release\ndimensions: {{accuracy: {{min: 0.8, max_drop: 5.5%{waive}}}}}"
        is_refused = not self.is_intact or (until is not None and until < self.today)
        try:
            file = thresholds(text)
            baseline = SessionBaseline(Options(models=("x",), store=self.root), self.root, [file]).run
        except UserError:
            assert is_refused
            return
        assert not is_refused
        judged = stored("run.json", [k % 3 if k < accuracy else (k + 1) % 3 for k in range(100)])
        record = what_if(judged, file, baseline).record
        is_waived = until is not None and least <= accuracy < 80
        passes = is_waived or accuracy >= 80
        passes = passes and self.now is not None and self.now.accuracy - accuracy <= 5
        assert record.overall_verdict == ("pass" if passes else "fail")
        self.run = Run(accuracy, passes, until if is_waived else None)
        write_record(record, self.root / "run.json")
        assert judged.images is not None
        write_images(judged.images.to_bytes(record) if images else None, self.root / "run.json")

    @precondition(lambda self: self.run is not None)
    @rule(days=st.sampled_from([0, 1]), reason=st.booleans())
    def approve(self, days: int, reason: bool) -> None:
        self.today += timedelta(days=days)
        words = ["approve", "run.json", "--by=ann", f"--store={self.root}/store"]
        with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            code = main([*words, "--reason=r"] if reason else words)
        run = self.run
        assert run is not None
        is_expired = run.waived_until is not None and run.waived_until < self.today
        is_allowed = not is_expired and (reason or (run.passes and self.is_intact))
        assert code == (0 if is_allowed else 4)
        if is_allowed:
            images = self.root / "run.npz"
            self.now = Files(
                (self.root / "run.json").read_bytes(),
                images.read_bytes() if images.exists() else None,
                run.accuracy,
            )
            self.history.append(self.now)

    @precondition(lambda self: self.now is not None and self.is_intact)
    @rule(name=st.sampled_from(["record.json", "record.npz"]), content=st.sampled_from([None, b"{}"]))
    def damage(self, name: str, content: bytes | None) -> None:
        path = self.folder / name
        path.unlink(missing_ok=True) if content is None else path.write_bytes(content)
        assert self.now is not None
        is_record = name == "record.json"
        now = self.now
        self.now = Files(
            content if is_record else now.record, now.images if is_record else content, now.accuracy
        )

    @precondition(lambda self: self.history)
    @rule()
    def cut_the_history(self) -> None:
        path = self.folder / "approvals.jsonl"
        path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:-1]))
        self.history.pop()

    @precondition(lambda self: self.history)
    @rule()
    def restore(self) -> None:
        self.now = self.history[-1]
        for name, content in (("record.json", self.now.record), ("record.npz", self.now.images)):
            path = self.folder / name
            path.unlink(missing_ok=True) if content is None else path.write_bytes(content)

    @invariant()
    def only_what_was_approved_last_is_a_baseline(self) -> None:
        try:
            path = approved_record("release", self.root, self.root)
        except UserError:
            assert not self.is_intact
            return
        assert self.is_intact
        assert path == (None if self.now is None else self.folder / "record.json")


TestApproveAndWaive = ApproveAndWaive.TestCase
TestApproveAndWaive.settings = settings(max_examples=40, stateful_step_count=20, derandomize=True)
