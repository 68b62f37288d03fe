"""From a model spec to a classifier that owns its normalisation and knows what its outputs are."""
