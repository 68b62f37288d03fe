"""The doctor: finds errors in the setup of a model, its preprocessing and a suite."""
