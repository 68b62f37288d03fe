"""How it is told: terminal text from a record and nothing else."""
