"""Workers on other processes and machines, by Ray."""
