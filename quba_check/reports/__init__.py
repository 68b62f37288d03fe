"""Reports of runs and comparisons, rendered from records alone."""
