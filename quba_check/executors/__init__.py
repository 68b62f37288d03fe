"""Executors on other processes and machines: Ray and SLURM."""
