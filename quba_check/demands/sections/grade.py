"""The section `quba` of a threshold file: score, grade, and settings of both."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from quba_check.core.dimension import PUBLISHED_DIMENSIONS, WEIGHTS, is_weight
from quba_check.core.protocols import EPSILON
from quba_check.core.request import Part, Request
from quba_check.demands.bounds import Asked
from quba_check.demands.demand import QubaSettings
from quba_check.demands.document import MergedFile
from quba_check.demands.schema import POPULATIONS, QubaEntry
from quba_check.dimensions import registry
from quba_check.errors import ThresholdError
from quba_check.messages import did_you_mean, known_names, listed
from quba_check.records.verdict import QUBA
from quba_check.storage.user_files import file_kind, sha256
from quba_check.strict_yaml import Location, typed

_NUMBERS = {
    "min_score": Part("score", "score", "high", "QUBA score"),
    "min_grade": Part("grade", "grade", "high", "letter of the QUBA score"),
}


def grade_requests(location: Location, entry: QubaEntry, file: MergedFile) -> Iterator[Asked]:
    """Yield the demands on score and grade, and check the settings.

    Raises:
        ThresholdError: a dimension, weight or population that cannot be used.
    """
    for name, weight in (entry.weights or {}).items():
        place = (*location, "weights", name)
        with file.problems.caught():
            _check_published(file, place, name)
            if weight is not None and not is_weight(weight):
                raise file.error(place, is_on_key=False, got=f"{weight:g}", allowed=WEIGHTS)
    for position, name in enumerate(entry.allow_missing or ()):
        with file.problems.caught():
            _check_published(file, (*location, "allow_missing", position), name)
    population = entry.population
    place = (*location, "population")
    if population is not None and population not in POPULATIONS:
        where = f"{file.document(place).at(place)}: quba.population"
        if file_kind(file.document(place).path.parent / population, where, ThresholdError) != "file":
            raise file.error(
                place,
                "no such name or file",
                is_on_key=False,
                got=f"'{population}'",
                allowed=f"{listed(POPULATIONS)}, or a population file next to this one",
                hint=did_you_mean(population, POPULATIONS),
            )
    stated = [key for key in file.keys(location) if key in _NUMBERS]
    for key in stated or _NUMBERS:
        request = Request(QUBA, _NUMBERS[key])
        yield Asked(location, entry, request, keys={key: "min"}, effects=tuple(_NUMBERS))


def grade_settings(file: MergedFile) -> QubaSettings:
    """Return the settings of score and grade.

    Raises:
        ThresholdError: no dimension has a weight, or the population file cannot be read.
    """
    entry = file.content.quba or typed({}, QubaEntry)
    weights = {name: registry[name].weight for name in PUBLISHED_DIMENSIONS}
    weights |= {name: float(weight or 0) for name, weight in (entry.weights or {}).items()}
    if not any(weights.values()):
        raise file.error(
            (QUBA, "weights"), "all dimensions weigh 0", path="quba.weights", allowed="at least one above 0"
        )
    population, digest = _population(entry.population, file)
    attacked = None if file.content.dimensions is None else file.content.dimensions.adversarial_robustness
    sizes = attacked if isinstance(attacked, tuple) else (attacked,) if attacked else ()
    return QubaSettings(
        weights,
        tuple(entry.allow_missing or ()),
        allow_other_suite=bool(entry.allow_other_suite),
        allow_transferred=bool(entry.allow_transferred),
        allow_masked=any(size.allow_masked for size in sizes if size.epsilon in (None, str(EPSILON))),
        population=population,
        population_sha256=digest,
    )


def _population(name: str | None, file: MergedFile) -> tuple[str, str | None]:
    """Return a name without digest, or the path of a population file with its digest."""
    if name is None or name in POPULATIONS:
        return name or POPULATIONS[0], None
    place = (QUBA, "population")
    document = file.document(place)
    path = Path(os.path.realpath(document.path.parent / name))
    return str(path), sha256(path, f"{document.at(place)}: quba.population", ThresholdError)


def _check_published(file: MergedFile, location: Location, name: str) -> None:
    if name not in PUBLISHED_DIMENSIONS:
        is_key = location[1] == "weights"
        raise file.error(
            location,
            f"'{name}' is not in the QUBA score",
            path=f"quba.{location[1]}",
            is_on_key=is_key,
            **known_names(name, PUBLISHED_DIMENSIONS),
        )
