"""The identity of a model: digests of its tensors and of the code of users."""
