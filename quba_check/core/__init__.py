"""Frozen values shared by all other folders. No torch, no I/O."""
