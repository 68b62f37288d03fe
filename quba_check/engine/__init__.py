"""Predictions of a model on a suite: planned, predicted, attacked and stored."""
