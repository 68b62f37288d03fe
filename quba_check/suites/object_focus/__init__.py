"""The sets `mixed_same` and `mixed_rand`, made from a suite's clean images and their objects."""
