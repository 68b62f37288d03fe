"""The embedded demonstration: a procedural suite and two small models."""
