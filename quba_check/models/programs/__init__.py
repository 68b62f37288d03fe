"""Models that are programs: of torch, ONNX, TFLite and OpenVINO, and functions."""
