"""Metrics of predictions. Pure functions of numpy and scipy."""
