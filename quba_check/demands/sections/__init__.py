"""The sections of a threshold file, one module each: what their entries ask for."""
