"""Workers that are jobs of SLURM, which take orders through a shared folder."""
