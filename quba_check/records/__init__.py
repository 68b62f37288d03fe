"""The record of a run: its JSON schema, the per-image file next to it, reading and writing."""
