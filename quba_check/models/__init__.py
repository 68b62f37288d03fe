"""Models: from a model spec to a classifier with its preprocessing."""
