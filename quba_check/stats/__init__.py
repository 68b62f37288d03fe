"""Statistical inference: estimates with their errors, intervals, differences, sequential tests."""
