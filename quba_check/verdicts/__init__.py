"""Measurements checked against demands. Pure."""

from quba_check.verdicts.decision import DecidedOutcome, Judged, Verdict, decide, p_value

__all__ = ["DecidedOutcome", "Judged", "Verdict", "decide", "p_value"]
