"""Threshold files as demands and settings."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from quba_check.core.facts import SuiteFacts
from quba_check.core.request import EACH
from quba_check.demands.bounds import Asked, demands_on
from quba_check.demands.demand import POINT, Demand, Policy, Thresholds, grade_terms
from quba_check.demands.document import MergedFile
from quba_check.demands.schema import BY_NAME
from quba_check.demands.sections.answers import answer_requests, parity_requests
from quba_check.demands.sections.classes import class_requests
from quba_check.demands.sections.conditions import entries_of
from quba_check.demands.sections.dimensions import dimension_requests
from quba_check.demands.sections.grade import grade_requests, grade_settings
from quba_check.errors import ThresholdError
from quba_check.messages import listed
from quba_check.records.baselines import NAME
from quba_check.records.record import yaml_input
from quba_check.records.verdict import demands_digest
from quba_check.storage.user_files import is_url
from quba_check.strict_yaml import Location

SECTIONS: Mapping[str, Callable[[Location, Any, MergedFile], Iterator[Asked]]] = {
    "dimensions": dimension_requests,
    "classes": class_requests,
    "answers": answer_requests,
    "parity": parity_requests,
    "quba": grade_requests,
}
"""Readers of the sections.

They take the location and the content of a section, or of one of its entries if these are independent, or of
an entry in a list, and the file. They raise ThresholdError for what the suite does not have.
"""


def read_thresholds(path: Path, *, label: str, suite: SuiteFacts) -> Thresholds:
    """Read a threshold file and its extended files.

    Args:
        path: the file.
        label: its name in ids and messages.
        suite: determines the parts of the dimensions.

    Raises:
        ThresholdError: an error in one of the files, with file and line, and the messages of all.
    """
    file = MergedFile.read(path, label, suite)
    stated = tuple(_demands(file))
    demands = tuple(replace(demand, replaced=_replaced(demand, stated)) for demand in stated)
    _check_levels(file, demands)
    _check_repeated(file, demands)
    baseline = None
    with file.problems.caught():
        baseline = _baseline(file)
    file.problems.raise_first()
    quba = grade_settings(file)
    _check_not_empty(demands, label)
    content = file.content
    document = file.documents[0]
    policy = Policy(content.uncertain or POINT.uncertain, content.confidence or POINT.confidence)
    needs_fresh = content.predictions is not None
    is_graded = any(demand.is_on_grade for demand in demands)
    settings: dict[str, object] = {
        **asdict(policy),
        "protocol": content.protocol,
        "quba": grade_terms(quba) if is_graded else None,
        **({"predictions": content.predictions} if needs_fresh else {}),
    }
    digest = demands_digest((demand.verdict_row("", "not run") for demand in demands), settings)
    inputs = [yaml_input("threshold file", document.label, document.content)]
    inputs += [yaml_input("extended threshold file", base.label, base.content) for base in file.documents[1:]]
    return Thresholds(
        path=path,
        label=label,
        # The name of an extended file is not this one's.
        name=document.data.get("name") or path.stem,
        protocol=content.protocol,
        demands=demands,
        quba=quba,
        policy=policy,
        inputs=(inputs[0].model_copy(update={"demands": digest, "settings": settings}), *inputs[1:]),
        baseline=baseline,
        needs_fresh=needs_fresh,
    )


def _demands(file: MergedFile) -> Iterator[Demand]:
    """Yield the demands of the merged files, and collect the errors about them."""
    sections = dict(file.content)
    for section in (key for key in file.tree if key in SECTIONS):
        entries: dict[Location, object] = {(section,): sections[section]}
        if section in BY_NAME:
            by_name = dict(sections[section])
            entries = {(section, name): by_name[name] for name in file.keys((section,))}
        for location, entry in (pair for item in entries.items() for pair in entries_of(*item)):
            with file.problems.caught():
                for asked in SECTIONS[section](location, entry, file):
                    with file.problems.caught():
                        yield from demands_on(file, asked)


def _replaced(each: Demand, demands: Iterable[Demand]) -> tuple[int, ...]:
    """Return the classes that a demand on any class leaves to demands of their own."""
    if each.request.target != EACH:
        return ()
    return tuple(number for demand in demands if demand.replaces(each) for number in demand.request.classes)


def _check_not_empty(demands: Collection[Demand], label: str) -> None:
    """Raise an error without demands."""
    if not demands:
        sections = listed(name for name in SECTIONS if name not in ("dimensions", "quba"))
        raise ThresholdError(
            "the file demands nothing",
            where=f"{label}:1",
            allowed=f"a min, max or drop under dimensions, {sections}, quba.min_score, quba.min_grade",
        )


def _check_levels(file: MergedFile, demands: Iterable[Demand]) -> None:
    """Collect an error for each number with two probabilities of a class."""
    first: dict[str, tuple[dict[str, float], Demand]] = {}
    for demand in demands:
        for request in (request for request in demand.requests if request.levels):
            levels, before = first.setdefault(request.on_all_images.name, (request.levels, demand))
            if levels != request.levels:
                text = f"{demand.target} has other probabilities of classes than {before.file}:{before.line}"
                where = f"{demand.file}:{demand.line}"
                file.problems.errors.append(ThresholdError(text, where=where, allowed="the same"))


def _check_repeated(file: MergedFile, demands: Iterable[Demand]) -> None:
    """Collect an error for each bound that the files state twice."""
    first: dict[str, Demand] = {}
    for demand in demands:
        before = first.setdefault(demand.name, demand)
        if before is not demand:
            text = f"{demand.name} is demanded twice, first in {before.file}:{before.line}"
            hint = "State another tier of it in another file."
            file.problems.errors.append(ThresholdError(text, where=f"{demand.file}:{demand.line}", hint=hint))


def _baseline(file: MergedFile) -> str | None:
    """Return the stated baseline; a path starts at the folder of its file."""
    text = file.content.baseline
    if text is None:
        return None
    if text.endswith(".json"):
        raise file.error(
            ("baseline",),
            is_on_key=False,
            got=f"'{text}'",
            allowed="a name, or the path or URL of a folder, that 'quba-check approve' wrote",
        )
    is_stable = is_url(text) or NAME.fullmatch(text)
    return text if is_stable else str(file.document(("baseline",)).path.parent / text)
