"""The command line that repeats a run."""

from __future__ import annotations

from quba_check.records.record import Record


def gate_command(record: Record) -> list[str]:
    """Return the command line of a record's run, rebuilt if it is not stored."""
    if record.command:
        return list(record.command)
    files = dict.fromkeys(row.id.partition("::")[0] for row in record.verdicts)
    is_demo = record.suite.name == "demo"
    compute, precision = record.environment.compute, record.environment.precision
    # Records without the settings are from versions in which auto was fp32.
    default = "fp32" if compute is None else "auto"
    requested = precision if compute is None else compute.requested
    options = {
        "--model": record.model.spec,
        "--quba-data": None if is_demo else record.suite.root,
        "--quba-protocol": None if is_demo or record.protocol == "standard" else record.protocol,
        "--quba-limit": record.limit,
        "--quba-seed": record.environment.seed or None,
        "--quba-precision": None if requested == default else requested,
    }
    words = [f"{flag}={value}" for flag, value in options.items() if value is not None]
    return ["pytest", *words, *([] if is_demo else [f"--quba-thresholds={file}" for file in files])]
