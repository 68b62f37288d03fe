"""Image preprocessing: configuration from checkpoints, files and architectures."""
