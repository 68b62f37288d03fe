"""Checkpoints: reading them, choosing the architecture, matching their state dict."""
