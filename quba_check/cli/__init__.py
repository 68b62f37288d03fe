"""The `quba-check` commands, one module per command."""
