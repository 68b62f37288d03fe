"""Thresholds from stored runs: judged again, taken from what a run supports, told what they would notice."""
