"""Two runs beside each other: what changed from one model to another, paired image by image."""
