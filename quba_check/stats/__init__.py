"""Statistical inference: standard errors, confidence limits, differences."""
