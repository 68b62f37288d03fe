"""Models that are programs: of torch, ONNX, TFLite, OpenVINO and Keras, and functions."""
