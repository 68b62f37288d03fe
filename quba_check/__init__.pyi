"""The public names of quba-check, each from its module."""

from quba_check.core.dimension import Dimension as Dimension
from quba_check.core.dimension import Part as Part
from quba_check.core.facts import Facts as Facts
from quba_check.core.facts import SuiteFacts as SuiteFacts
from quba_check.core.grade import Grade as Grade
from quba_check.core.grade import GradeRules as GradeRules
from quba_check.core.measurement import Measurement as Measurement
from quba_check.core.measurement import Quantity as Quantity
from quba_check.core.measurement import Sample as Sample
from quba_check.core.measurement import Table as Table
from quba_check.core.measurement import Unmeasurable as Unmeasurable
from quba_check.core.predictions import Predictions as Predictions
from quba_check.core.view import CLEAN as CLEAN
from quba_check.core.view import FGSM as FGSM
from quba_check.core.view import PGD as PGD
from quba_check.core.view import View as View
from quba_check.demands.reading import read_thresholds as read_thresholds
from quba_check.dimensions import dimension as dimension
from quba_check.dimensions import share as share
from quba_check.engine.batching import BatchSettings as BatchSettings
from quba_check.errors import QubaError as QubaError
from quba_check.errors import UnmeasurableError as UnmeasurableError
from quba_check.errors import UserError as UserError
from quba_check.evaluation import Evaluation as Evaluation
from quba_check.evaluation import RunSettings as RunSettings
from quba_check.gate.judge import judge as judge
from quba_check.gate.options import Options as Options
from quba_check.grading import published_models as published_models
from quba_check.grading import quba_score as quba_score
from quba_check.models.preprocessing.file import read_preprocessing as read_preprocessing
from quba_check.models.programs.functions import NumpyModel as NumpyModel
from quba_check.models.request import LoadRequest as LoadRequest
from quba_check.records.record import Record as Record
from quba_check.suites import Suite as Suite
from quba_check.suites import open_suite as open_suite
from quba_check.suites.sampling import SubsetSampler as SubsetSampler
from quba_check.verdicts.stored_verdicts import read_record as read_record

__all__: list[str]
__version__: str
