"""The `quba-check` commands: a module a command, with `add_to` for its parser."""
