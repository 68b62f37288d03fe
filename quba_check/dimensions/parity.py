"""Parity: equality of the answers of a model and the one that it replaces."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial

import numpy as np
from numpy.typing import NDArray

from quba_check.core.confidence import SCORES, ConfidenceCurve, curve_of
from quba_check.core.facts import Facts, SuiteFacts, table_class_names
from quba_check.core.measurement import Measurement, Quantity, Sample, Table, Unmeasurable
from quba_check.core.predictions import Predictions, Tables, outputs_digest
from quba_check.core.request import NO_REFERENCE, PARITY_NUMBERS
from quba_check.core.view import CLEAN, CLEAN_SET, REFERENCE, SERVING, View
from quba_check.dimensions._ratios import shows_same_images
from quba_check.dimensions._registry import dimension
from quba_check.dimensions._requested import RowSource, requested_parts, requested_views, with_requests
from quba_check.dimensions._rows import NO_PROBABILITIES, Rows
from quba_check.dimensions._validation import LONGEST_TEXT
from quba_check.errors import InvariantError, UnmeasurableError
from quba_check.metrics.answer_pairs import QUANTILE, PairedAnswers, probability_changes, quantile
from quba_check.stats.intervals import quantile_limits

NOTHING_TO_LOSE = (
    "no answer can be lost: those before are right on no image. Check the classes and the preprocessing of "
    "that model"
)
SAME_PREDICTIONS = "the same predictions as the reference"
"""Note of a measurement; reports replace it by a sentence with the reference's name."""
SHOWN = 100
"""Largest number of rows of a table: of changed answers, and of images."""
_BINS = (0.0, 1e-6, 1e-4, 1e-3, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
"""Ends of the intervals of probability changes."""


@dataclass(frozen=True)
class AnswerPairs(PairedAnswers[Rows]):
    """Rows of a judged model and a reference, with numbers and tables on their differences."""

    def __post_init__(self) -> None:
        if not all(map(shows_same_images, self.judged.tables, self.reference.tables)):
            raise UnmeasurableError(f"the reference was shown other images of the set {self.judged.view}")

    @cached_property
    def is_same(self) -> bool:
        """True if the answers and their probabilities are known, and the same in every bit."""
        is_known = not (self.differs.any() or np.isnan(self.judged.table.confidence).any())
        return is_known and len({outputs_digest(rows.tables) for rows in (self.judged, self.reference)}) == 1

    @cached_property
    def changes(self) -> NDArray[np.float32] | None:
        """(r,) largest change of a probability, in [0, 1]; None without the reference's probabilities."""
        tables = zip(self.reference.tables, self.judged.tables, strict=True)
        pairs = [(before.probabilities, after.probabilities) for before, after in tables]
        known = [(first, second) for first, second in pairs if first is not None and second is not None]
        if len(known) < len(pairs):
            return None
        return np.concatenate([probability_changes(*pair) for pair in known])

    def quantity(self, metric: str) -> Quantity:
        """Return a number; the same outputs in every bit give an exact one.

        Raises:
            UnmeasurableError: the probabilities of the reference are asked for and unknown, or its lost
                answers, and none is right.
        """
        if metric == "probability_change":
            quantity = self._largest_change()
        elif metric == "negative_flips" and not self.reference.correct.any():
            raise UnmeasurableError(NOTHING_TO_LOSE)
        else:
            quantity = self.judged.share(~self.differs if metric == "agreement" else self.flips["lost"])
        exact = ConfidenceCurve((quantity.value,) * len(SCORES))  # no other sample would change it
        return replace(quantity, curve=exact) if self.is_same else quantity

    def _largest_change(self) -> Quantity:
        changes = self.changes
        if changes is None:
            raise UnmeasurableError(NO_PROBABILITIES)
        value = quantile(changes)
        images = len(self.judged.tables[0])
        versions = len(changes) / images
        curve = curve_of(
            lambda z, effect: quantile_limits(changes, QUANTILE, 1.0, z, versions * effect), 0.0, 1.0
        )
        sample = Sample(images if versions > 1 else None)
        quantity = Quantity(value, "fraction", len(changes), curve, sample=sample)
        # So far in the tail, blocks of groups say too little: all images of a group count as equal.
        return self.judged.in_groups(quantity)

    def tables(self, suite: SuiteFacts) -> dict[str, Table]:
        """Return counts of flips and changed answers, the reference's accuracy, and the flipped images."""
        names = table_class_names(suite.class_names_of(self.judged.view.set), suite.class_count)
        names = (*names, "no class")  # that of the number NO_CLASS, -1
        tables = {"flips": self._flip_table(), "flips_by_class": self._class_table(names)}
        right = self.reference.correct
        tables["reference"] = Table(("right", "accuracy"), ((int(right.sum()), float(right.mean())),))
        tables["changed_answers"] = self._answer_table(names)
        if self.changes is not None:
            tables["probability_changes"] = self._histogram(self.changes)
        tables["flipped_images"] = self._image_table(names)
        return {name: table for name, table in tables.items() if table.rows}

    def _flip_table(self) -> Table:
        rows = [(kind, int(mask.sum()), float(mask.mean())) for kind, mask in self.flips.items()]
        return Table(("kind", "images", "share"), tuple(rows), f"of {len(self.differs):,} answers")

    def _class_table(self, names: Sequence[str]) -> Table:
        """Return the flips of each class with one, those with the most first."""
        label = self.judged.label % len(names)
        counts = [np.bincount(label[mask], minlength=len(names)) for mask in self.flips.values()]
        images = np.bincount(label, minlength=len(names))
        order = np.argsort(-np.sum(counts, axis=0), kind="stable")[:SHOWN].tolist()
        rows = [(names[k], int(images[k]), *(int(count[k]) for count in counts)) for k in order]
        columns = ("class", "images", *(kind.replace(" ", "_") for kind in self.flips))
        return Table(columns, tuple(row for row in rows if any(row[2:])))

    def _answer_table(self, names: Sequence[str]) -> Table:
        """Return the pairs of different answers, the most frequent first."""
        answers = (side.predicted[self.differs].tolist() for side in (self.reference, self.judged))
        pairs = sorted(Counter(zip(*answers, strict=True)).items(), key=lambda pair: (-pair[1], pair[0]))
        rows = tuple((names[before], names[after], n) for (before, after), n in pairs[:SHOWN])
        return Table(("before", "after", "images"), rows)

    @staticmethod
    def _histogram(changes: NDArray[np.float32]) -> Table:
        counts, _ = np.histogram(changes, _BINS)
        rows = zip(_BINS[:-1], _BINS[1:], counts.tolist(), strict=True)
        title = PARITY_NUMBERS["probability_change"].title
        return Table(("from", "to", "images"), tuple(rows), f"{title}: {quantile(changes):.3g}")

    def _image_table(self, names: Sequence[str]) -> Table:
        """Return rows with another answer: lost ones first, then by probability change."""
        judged = self.judged
        reference = self.reference
        changes = np.zeros(len(self.differs)) if self.changes is None else self.changes
        right = self.differs & reference.correct & judged.correct
        flipped = [
            (kind, row)
            for kind, mask in (*self.flips.items(), ("right to right", right))
            for row in sorted(np.flatnonzero(mask).tolist(), key=lambda row: -changes[row])
        ]
        first = judged.tables[0]
        images = np.tile(first.extra.get("name", first.index), len(judged.tables))
        rows = [
            (
                str(images[row])[-LONGEST_TEXT:],
                kind,
                *(names[column[row]] for column in (judged.label, reference.predicted, judged.predicted)),
                float(changes[row]),
            )
            for kind, row in flipped[:SHOWN]
        ]
        columns = ("image", "kind", "label", "before", "after", "probability_change")
        shown = len(columns) - (self.changes is None)
        return Table(columns[:shown], tuple(row[:shown] for row in rows))


def _is_compared(suite: SuiteFacts) -> bool:
    """Return True unless all requests compare with the model's own preprocessing."""
    return {bool(request.pipeline) for request in suite.requests if request.dimension == "parity"} != {True}


def _steps(suite: SuiteFacts) -> dict[tuple[str, str], View]:
    """Return the view of each step of a requested pipeline with several."""
    served = [
        request for request in suite.requests_of("parity") if request.pipeline and request.set == CLEAN_SET
    ]
    return {
        (name, step): View(CLEAN_SET, variant=f"{SERVING}{name}/{step}")
        for name in dict.fromkeys(request.pipeline for request in served)
        for step in suite.serving[name].steps
        if len(suite.serving[name].steps) > 1
    }


def _views(suite: SuiteFacts) -> tuple[View, ...]:
    own = (CLEAN, replace(CLEAN, variant=REFERENCE)) if _is_compared(suite) else (CLEAN,)
    return tuple(dict.fromkeys((*own, *requested_views("parity", suite), *_steps(suite).values())))


@dimension(
    "parity",
    title="How many answers are those of the model that this one replaces.",
    unit="fraction",
    better="high",
    source="negative flips: Yan et al., CVPR 2021",
    views=_views,
    parts=partial(requested_parts, "parity"),
)
def measure(predictions: Tables, facts: Facts) -> Measurement:
    """Share of clean images with the reference's answer; higher is better.

    The parts are the numbers that threshold files ask for, and the tables are about the clean set. If all of
    them compare a serving pipeline with the model's own preprocessing, the value is their lowest agreement.

    Raises:
        UnmeasurableError: there are no clean images, or the reference was shown others.
    """
    suite = facts.suite
    source = RowSource(predictions, facts.suite)
    if _is_compared(suite):
        clean = _pairs(replace(source.of(CLEAN_SET), reference=source.of(CLEAN_SET, REFERENCE)))
        notes = (SAME_PREDICTIONS,) if clean.is_same else ()
        tables = clean.tables(suite) if facts.with_tables else {}
        measured = Measurement.of("parity", clean.quantity("agreement"), notes=notes, tables=tables)
    else:
        unmeasured = {"": Unmeasurable("parity", NO_REFERENCE)}
        measured = replace(Measurement.of("parity", _lowest_agreement(source)), unmeasured=unmeasured)
    steps = {names: predictions[view] for names, view in _steps(suite).items()}
    if steps:
        steps_table = _step_table(source.of(CLEAN_SET), steps)
        measured = replace(measured, tables={**measured.tables, "steps": steps_table})
    return with_requests(measured, source, lambda request, rows: _pairs(rows).quantity(request.metric))


def _lowest_agreement(source: RowSource) -> Quantity:
    """Return the lowest agreement of the requests that have one."""
    served = []
    errors = []
    agreement = PARITY_NUMBERS["agreement"]
    for request in dict.fromkeys(
        replace(request, number=agreement) for request in source.suite.requests_of("parity")
    ):
        try:
            rows = source.of_request(request)
            served.append(rows.in_groups(_agreement(rows), _agreement))
        except UnmeasurableError as error:
            errors.append(error)
    if not served:
        raise errors[0]
    return min(served, key=lambda quantity: quantity.value)


def _agreement(rows: Rows) -> Quantity:
    return _pairs(rows).quantity("agreement")


def _pairs(rows: Rows) -> AnswerPairs:
    if rows.reference is None:
        raise InvariantError("there are no answers to compare with", where="parity")
    return AnswerPairs(rows, rows.reference)


def _step_table(own: Rows, served: Mapping[tuple[str, str], Predictions]) -> Table:
    """Return the number of answers that each step of a pipeline changes."""
    rows = []
    for names, table in served.items():
        changed = AnswerPairs(replace(own, tables=(table,)), own).differs
        rows.append((*names, int(changed.sum()), float(changed.mean())))
    rows.sort(key=lambda row: (list(dict.fromkeys(name for name, _ in served)).index(row[0]), -row[2]))
    note = f"answers that one step alone changes, of {len(own.label):,}"
    return Table(("pipeline", "step", "images", "share"), tuple(rows), note)
