"""What is demanded: strict YAML with line numbers → demands."""
