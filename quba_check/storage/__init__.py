"""Files on disk: the prediction store, file digests, atomic writes, files that users name."""
