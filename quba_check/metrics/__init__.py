"""Calibration error and class balance: pure numpy."""
