"""Many models judged one after another or side by side, each by its own pytest process."""
