"""The pytest plugin: options, items, the controller, progress."""
