"""Labelled image sets: manifests, readers, label spaces, corruptions. Manifest + view → (index, image, label)."""
