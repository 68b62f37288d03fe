"""What is measured: frozen values that every other folder speaks in. No torch, no I/O."""
