"""Ranks, recommendations and statistics of a population, and a record explained."""
