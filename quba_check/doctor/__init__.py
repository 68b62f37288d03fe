"""The doctor: finds mistakes in the setup of a model, its preprocessing and a suite."""
