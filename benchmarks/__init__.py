"""Benchmarks of speed: `python -m benchmarks` prints every row of benchmarks/README.md."""
