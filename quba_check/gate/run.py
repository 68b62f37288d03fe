"""A gate run in Python, without pytest: one model, one threshold file, one record."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from quba_check.demands.profiles import find_thresholds
from quba_check.dimensions import registry
from quba_check.errors import OptionError, QubaError
from quba_check.gate.collector import ResultCollector
from quba_check.gate.judge import Judge
from quba_check.gate.options import OPTIONS, Options
from quba_check.gate.preflight import examinations
from quba_check.gate.session import GateSession
from quba_check.gate.threshold_files import default_files
from quba_check.messages import allowed_names
from quba_check.models.process_setup import set_up_process
from quba_check.records.files import remove_stale_records, write_images, write_record
from quba_check.records.record import Record

_OF_PYTEST = {"models", "thresholds", "data", "plan", "classes", "html", "markdown", "pictures", "report"}
"""Options with an argument of their own, and those of pytest's output."""


def judge(
    model: str,
    data: str | Path | None = None,
    thresholds: str | Path | None = None,
    *,
    record: str | Path | None = None,
    **options: Any,
) -> Record:
    """Judge a model by a threshold file, and return the record of the run.

    Nothing is printed. Predictions are kept in the store; no other file is written, unless `record` names
    one.

    Args:
        model: a model spec.
        data: a data folder or its URL; None for that of a demo model, else `$QUBA_DATA`.
        thresholds: a threshold file or shipped profile; None for the file that `pytest --model` reads.
        record: JSON file for the record, with the per-image results next to it.
        options: options of the gate without `--quba-`, such as `baseline`, `reference`, `store`, `limit`,
            `device` and `arch`; True for a switch.

    Raises:
        UserError: the model, the data, a file or an option cannot be used.

    Examples:
        >>> judge("demo").overall_verdict  # doctest: +SKIP
        'pass'
    """
    if not isinstance(model, str):
        raise OptionError(
            where="judge: model",
            got=type(model).__name__,
            allowed="a model spec, such as 'my_models:net', a function that returns the model",
        )
    known = {option.field: option for option in OPTIONS if option.field not in _OF_PYTEST}
    for name, value in options.items():
        if name not in known:
            raise OptionError(
                "unknown option", where="judge", got=f"'{name}'", hint=allowed_names(name, known)
            )
        if known[name].metavar is None and not isinstance(value, bool):
            raise OptionError(where=f"judge: {name}", got=f"{value!r}", allowed="True or False")
    given = {"data": data, "report": record, **options}
    set_up_process()
    registry.load_entry_points()
    root = Path.cwd()
    # A command line has text, None without the option, and switches.
    typed = {name: one if one is None or isinstance(one, bool) else str(one) for name, one in given.items()}
    checked = Options.parse({"model": [model]} | {f"quba_{name}": one for name, one in typed.items()}, root)
    if checked.report is not None:
        remove_stale_records(checked.report, [model], checked.baseline)
    named = default_files(checked, root) if thresholds is None else [find_thresholds(str(thresholds), root)]
    gate = GateSession(checked, root, files=tuple(named))
    try:
        return _record(gate)
    finally:
        gate.close()


def _record(gate: GateSession) -> Record:
    """Judge all demands of a session, and return its record."""
    gate.check_files()
    demands, collector, path = gate.demands(gate.files), ResultCollector(), gate.options.report
    gate.select(demands)
    gate.check_calls()
    gate.check(demands)
    for _ in examinations(gate, demands, short=True):
        pass  # the session keeps them
    judge_of_session = Judge(gate)
    for planned in demands:
        try:
            collector.add(judge_of_session.judge(planned))
        except QubaError as error:
            collector.crashed[planned.node_id] = str(error)
    selected = {planned.node_id for planned in demands}
    (record,) = collector.records(gate, demands, selected, interrupted=False, stopped=False)
    if path is not None:
        write_record(record, path)
        write_images(collector.images_of(record), path)
    return record
