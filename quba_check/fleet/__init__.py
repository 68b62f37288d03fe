"""Many models, each judged by its own pytest process."""
