"""The `quba-check` commands, a module each."""
