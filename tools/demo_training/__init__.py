"""Training of the two demonstration models; not part of the wheel."""
