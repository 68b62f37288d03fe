"""What a record tells of the suite it was measured on."""

from __future__ import annotations

from quba_check.core.facts import SuiteFacts
from quba_check.core.view import CORRUPTIONS, CORRUPTIONS_SET, SEVERITIES
from quba_check.demands.demand import Thresholds
from quba_check.dimensions import registry
from quba_check.errors import ThresholdError
from quba_check.records.measurement import MeasurementRow, QuantityRow
from quba_check.records.record import Record


def suite_facts(record: Record) -> SuiteFacts:
    """Enough of a record's suite to know the names of parts and the sets that dimensions look at."""
    row = record.measurements.get("ood_robustness")
    shifts = (
        [name for name, part in row.parts.items() if part.better] if isinstance(row, MeasurementRow) else []
    )
    return SuiteFacts(record.suite.name, record.model.classes, tuple(shifts), CORRUPTIONS, {})


def images_behind(found: QuantityRow, dimension: str, record: Record) -> int | None:
    """How many images of a set are behind a quantity of a dimension.

    Its own n where that is the size of one of the sets that the dimension looks at, else the smallest of
    these: it has the largest share in the error. Where the record does not tell the sets, n.
    """
    sets = {view.set for view in registry[dimension].views(suite_facts(record))}
    sizes = {_size(name, record) for name in sets if name in record.suite.sets}
    return found.n if not sizes or found.n in sizes else min(sizes)


def _size(name: str, record: Record) -> int:
    """Images of a set; of stored or made corruptions those of one corruption at one severity."""
    images = record.suite.sets[name].images
    if name != CORRUPTIONS_SET or record.suite.sample == "one":
        return images
    return images // (len(CORRUPTIONS) * len(SEVERITIES))


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
