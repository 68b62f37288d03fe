"""Files on disk: the prediction store, file digests, atomic writes, user files."""
