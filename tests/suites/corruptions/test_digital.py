import numpy as np

from quba_check.suites.corruptions import corrupt


def test_contrast_by_hand() -> None:
    image = np.zeros((8, 8, 3), dtype=np.uint8)
    image[:, 4:] = [200, 100, 50]
    # 0.15 x + 0.85 mean, the mean of red being 100
    assert corrupt(image, "contrast", 5, np.random.default_rng(0))[0, [0, 7], 0].tolist() == [85, 115]


def test_pixelate_leaves_blocks() -> None:
    image = np.random.default_rng(0).integers(0, 256, (80, 80, 3), dtype=np.uint8)
    blocks = corrupt(image, "pixelate", 5, np.random.default_rng(0)).reshape(20, 4, 20, 4, 3)
    assert np.array_equal(blocks, np.broadcast_to(blocks[:, :1, :, :1], blocks.shape))
    means = image.reshape(20, 4, 20, 4, 3).mean(axis=(1, 3))
    assert np.abs(blocks[:, 0, :, 0] - means).max() <= 1
