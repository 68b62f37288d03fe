"""Values of one protocol are not held to limits about the other."""

from __future__ import annotations

from quba_check.demands.demand import Thresholds
from quba_check.errors import ThresholdError
from quba_check.records.record import Record


def check_protocol(thresholds: Thresholds, record: Record) -> None:
    """Refuse a threshold file that is about values of another protocol than a record's.

    Raises:
        ThresholdError: it is.
    """
    if thresholds.protocol not in (None, record.protocol):
        raise ThresholdError(
            f"{thresholds.shown}: states protocol {thresholds.protocol}, but the values of "
            f"{record.model.name} are of protocol {record.protocol}. "
            f"Allowed: a file that states {record.protocol}, or no protocol."
        )
