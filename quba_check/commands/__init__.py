"""What `quba-check …` can do: a module a command, each with `add_to` and nothing that another needs."""
