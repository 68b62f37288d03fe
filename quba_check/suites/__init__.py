"""Labelled image sets: manifests, readers, label spaces, corruptions."""
