"""The doctor: looks for mistakes in how a model, its preparation and a suite were put together."""
