"""How a run is told: from a record, and from nothing else."""
