"""The record of a run and its per-image file: schema, reading, writing."""
