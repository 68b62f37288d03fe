"""Measurements checked against demands. Pure."""

from quba_check.verdicts.decision import Judged, Verdict, VerdictOutcome, decide, p_value

__all__ = ["Judged", "Verdict", "VerdictOutcome", "decide", "p_value"]
