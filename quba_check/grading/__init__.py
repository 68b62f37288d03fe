"""QUBA score, reference populations and letters; pure."""
