"""Reference populations by name or file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from quba_check.errors import PopulationError
from quba_check.grading.population import Population
from quba_check.grading.population_file import read_population
from quba_check.grading.published import published_population, screened_population
from quba_check.messages import did_you_mean
from quba_check.storage.user_files import file_kind

DEMO_FILE = Path(__file__).parents[1] / "demo" / "population.json"


BUILT_IN: Mapping[str, Callable[[], Population]] = {
    "published": published_population,
    "screened": screened_population,
    "demo": lambda: read_population(DEMO_FILE),
}
"""`published`: the 326 published models; `screened`: the same without suspect values; `demo`: the demo's."""


def population(name_or_path: str | Path) -> Population:
    """Return a reference population by name or file.

    Args:
        name_or_path: `published`, `screened`, `demo`, or a file made by `quba-check published population`.

    Raises:
        PopulationError: no such population, or the file is not a population.

    >>> round(population("published").mu["accuracy"], 4)
    0.7991
    """
    if str(name_or_path) in BUILT_IN:
        return BUILT_IN[str(name_or_path)]()
    path = Path(name_or_path)
    if file_kind(path, f"population: {path}", PopulationError) is None:
        raise PopulationError(
            f"population: no such name or file, got '{name_or_path}'. Allowed: {', '.join(BUILT_IN)}, "
            f"or a file that 'quba-check published population' made."
            f"{did_you_mean(str(name_or_path), BUILT_IN)}"
        )
    return read_population(path)
