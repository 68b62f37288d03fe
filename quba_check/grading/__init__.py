"""QUBA score, reference populations and letters."""

from quba_check.grading.grade import GradedRun as GradedRun
from quba_check.grading.grade import grade as grade
from quba_check.grading.grade import quba_score as quba_score
from quba_check.grading.grade import unreachable_grade as unreachable_grade
from quba_check.grading.population import Population as Population
from quba_check.grading.population import PopulationRow as PopulationRow
from quba_check.grading.population_file import population as population
from quba_check.grading.population_file import read_population as read_population
from quba_check.grading.published import PublishedModel as PublishedModel
from quba_check.grading.published import published_models as published_models
