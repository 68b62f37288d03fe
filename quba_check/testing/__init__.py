"""Property tests of a model: perturbations, synthetic images, hypothesis strategies, rates."""
