"""QUBA score, reference populations and letters."""

from quba_check.grading.grade import grade, letter, quba_score, unreachable_grade
from quba_check.grading.population import Population, PopulationRow
from quba_check.grading.population_file import (
    PopulationFile,
    population,
    population_from_records,
    population_schema,
    read_population,
)
from quba_check.grading.published import PublishedModel, published_models
from quba_check.grading.score import Normalisation, normalisation

__all__ = [
    "Normalisation",
    "Population",
    "PopulationFile",
    "PopulationRow",
    "PublishedModel",
    "grade",
    "letter",
    "normalisation",
    "population",
    "population_from_records",
    "population_schema",
    "published_models",
    "quba_score",
    "read_population",
    "unreachable_grade",
]
