"""Comparisons of two stored runs, paired image by image."""
