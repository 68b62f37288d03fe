"""Measurements checked against demands. Pure."""

from quba_check.verdicts.decision import decide, p_value
from quba_check.verdicts.verdict import Judged, Verdict, VerdictOutcome

__all__ = ["Judged", "Verdict", "VerdictOutcome", "decide", "p_value"]
