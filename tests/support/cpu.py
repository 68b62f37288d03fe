"""The processor's instructions that decide about last bits."""

import torch

HAS_AVX2 = torch.backends.cpu.get_cpu_capability() in ("AVX2", "AVX512")
"""Without them, torchvision resizes uint8 images bilinearly in float32 and rounds to whole levels."""
