"""Zero-shot classifiers: CLIP-like models with text weights for a suite's classes."""
