"""Benchmarks of speed: `python -m benchmarks` prints every row of docs/performance.md."""
