"""Models that are programs: TorchScript, exported programs, ONNX, Python callables."""
