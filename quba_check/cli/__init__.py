"""What `quba-check …` can do: a module a command, with `add_to`, beside what several share or one shows."""
