"""The baseline of a gate session, from an option or the threshold files."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from quba_check.comparison.baseline import looser_demands
from quba_check.comparison.stored_run import RunConditions, StoredRun, differences, stored_run
from quba_check.core.protocols import ProtocolName
from quba_check.core.view import SAMPLED
from quba_check.demands.demand import Thresholds
from quba_check.dimensions import registry
from quba_check.errors import OptionError, UnmeasurableError
from quba_check.gate.options import Options
from quba_check.gate.record_rows import rules, set_rows, suite_row
from quba_check.gate.threshold_files import PlannedDemand, shown_path
from quba_check.messages import listed
from quba_check.records.baselines import FOLDER, RECORD, approvals, approved_record, baseline_folder
from quba_check.records.files import HISTORY
from quba_check.storage.user_files import is_url
from quba_check.verdicts.evidence import NAME_A_RECORD, NO_RECORD
from quba_check.verdicts.stored_verdicts import read_record_and_digest

if TYPE_CHECKING:
    from quba_check.measured_model import MeasuredModel


class SessionBaseline:
    """The stored run that drops are counted from.

    It is that of `--quba-baseline`, else the one that the threshold files state.

    Args:
        options: the options of the run.
        root: folder of the project.
        files: the threshold files.
    """

    def __init__(self, options: Options, root: Path, files: Sequence[Thresholds]) -> None:
        self._options = options
        self._root = root
        self.stated = list(dict.fromkeys(file.baseline for file in files if file.baseline is not None))
        """The different baselines that the threshold files state."""
        self.approvals: list[dict[str, Any]] = []
        """The history of the baseline, or the time of its run, once `run` is known."""

    @property
    def run(self) -> StoredRun | None:
        """The run; None if none is approved yet."""
        return self.run_and_digest[0]

    @cached_property
    def run_and_digest(self) -> tuple[StoredRun | None, str]:
        """The run, and the SHA-256 (hex) of its record.

        Raises:
            UserError: it cannot be read, or the files state different ones.
        """
        path = self._options.baseline
        origin = "--quba-baseline"
        if path is None and self.stated:
            if len(self.stated) > 1:
                raise OptionError(
                    "the threshold files state different ones",
                    where="baseline",
                    got=listed(self.stated),
                    allowed="one for all",
                    hint="Use two runs, or name one with --quba-baseline FILE.json.",
                )
            store = self._options.store_location
            path = approved_record(self.stated[0], self._root, store)
            origin = "baseline"
        if path is None:
            return None, ""
        if path.name == RECORD and path.with_name(HISTORY).exists():
            # Raises unless it is the one that was approved last.
            approved_record(str(path.absolute().parent), self._root, path.parent)
        label = shown_path(path, self._root)
        record, digest = read_record_and_digest(path, f"{origin}: {label}")
        own = approvals(path) if path.name == RECORD else []
        self.approvals = own or [{"time": record.environment.time}]
        return stored_run(path, label, record, self._options.store_location), digest

    @property
    def is_missing(self) -> bool:
        """True if drops cannot be counted. A reference does not replace a stated baseline."""
        is_stated = bool(self.stated) and not self._options.first_release
        return self.run is None and (self._options.reference is None or is_stated)

    @property
    def is_first_release(self) -> bool:
        """True if the user states that there is nothing to compare with yet."""
        return self._options.first_release and self._options.reference is None

    @property
    def reason_for_none(self) -> str:
        """The reason for no baseline, with what to do."""
        return ". ".join(self.problem_and_advice)

    @property
    def problem_and_advice(self) -> tuple[str, str]:
        """The reason for no baseline, and what to do."""
        if not self.stated:
            return NO_RECORD, NAME_A_RECORD
        name = self.stated[0]
        known = sorted(path.parent.name for path in (self._root / FOLDER).glob(f"*/{RECORD}"))
        others = f"Approved are: {listed(known)}. " if known else ""
        place = name if is_url(name) else shown_path(baseline_folder(name, self._root), self._root)
        advice = f"{others}Approve one with 'quba-check approve', or give --quba-first-release"
        return f"first release: there is no approved record in {place} yet", advice

    def looser(self, demands: Iterable[PlannedDemand], protocol: ProtocolName) -> list[str]:
        """Return the demands of the baseline that are gone or looser, in words.

        Args:
            demands: all demands of the session.
            protocol: the protocol to compare; none are looser if the baseline is of the other one.
        """
        if self.run is None or self.run.record.protocol != protocol:
            return []
        rows = [
            planned.demand.verdict_row(planned.node_id, "not run", policy=planned.thresholds.policy)
            for planned in demands
            if planned.protocol == protocol
        ]
        return looser_demands(self.run.record.verdicts, rows)

    def check(self, demands: Iterable[PlannedDemand]) -> None:
        """Check the baseline against the options and the demands of the session.

        Raises:
            OptionError: `--quba-first-release` with a baseline, `--quba-no-looser` without one or with looser
                demands, or a stated baseline that is missing and that no demand reports.
        """
        run = self.run
        options = self._options
        demands = list(demands)
        if options.first_release and options.no_looser:
            raise OptionError(
                got="--quba-first-release too, which has no demands to compare with",
                allowed="one of both",
                where="--quba-no-looser",
            )
        if run is None:
            is_reported = any(demand.demand.is_comparative for demand in demands)
            if options.no_looser or (self.stated and not options.first_release and not is_reported):
                origin = "baseline" if self.stated else "--quba-no-looser"
                raise OptionError(f"{self.reason_for_none}.", where=origin)
            return
        if options.first_release:
            raise OptionError(
                "there is a baseline",
                got=run.file,
                hint="Leave the option out.",
                where="--quba-first-release",
            )
        if options.no_looser and (looser := self.looser(demands, run.record.protocol)):
            raise OptionError(
                f"the demands are looser than those of {run.file}: {'; '.join(looser)}. Restore "
                "them, or approve a record of a run without the option.",
                where="--quba-no-looser",
            )

    def check_images(self, evaluation: MeasuredModel) -> None:
        """Check the images of a run with `--quba-no-looser` against all those of the baseline.

        Raises:
            OptionError: images, labels, rules or numbers of groups are others, or a set is gone.
        """
        run = self.run
        options = self._options
        suite = evaluation.suite
        if run is None or not options.no_looser or run.record.protocol != evaluation.protocol.name:
            return
        contents = dict.fromkeys(was := run.record.suite.contents, "") | rules(evaluation, was)
        views = {str(view): view for view in (*suite.views(), SAMPLED) if str(view) in contents}
        for name in views:
            with suppress(UnmeasurableError):  # the set is empty now
                contents[name] = evaluation.contents.key(views[name])
        rows = set_rows(evaluation, {dimension.name for dimension in registry} & run.record.measured.keys())
        now = suite_row(evaluation, contents, rows)
        conditions = RunConditions(run.record.protocol, now, options.limit, options.seed)
        counts = suite.counts(views.values())
        sets = run.record.suite.sets
        reasons = differences(run.record, conditions)
        for name in filter(views.__contains__, sets):
            reasons += [f"groups of {name}"] if counts[name].groups != sets[name].groups else []
            reasons += [f"slices of {name}"] if sets[name].slices not in (None, counts[name].slices) else []
        if reasons:
            raise OptionError(
                f"this run differs from {run.file} in {listed(reasons)}",
                where="--quba-no-looser",
                allowed="the same images and labels, and the same --quba-limit and --quba-seed",
                hint="Restore them, or approve a record of a run without the option.",
            )
