"""Statistical inference: standard errors, confidence limits, differences, sequential tests."""
