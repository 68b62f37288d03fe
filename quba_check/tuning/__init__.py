"""Thresholds from stored runs: what-if verdicts, suggested limits, statistical power."""
