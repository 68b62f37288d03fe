"""A measurement held against a demand. Pure."""

from quba_check.verdicts.decision import doubt, judge, judge_stopped
from quba_check.verdicts.verdict import Held, Verdict, VerdictOutcome

__all__ = ["Held", "Verdict", "VerdictOutcome", "doubt", "judge", "judge_stopped"]
