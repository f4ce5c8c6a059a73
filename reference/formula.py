"""Weights and images that both sides can compute: numbers from a formula in the place of files.

The noise is that of engraft-testing; the images are those of `crates/engraft/tests/keras_zoo`.
"""

import math

import numpy as np


def splitmix64(seed: int, start: int, count: int) -> np.ndarray:
    """Words `start` to `start + count` of the generator. Source: Steele, Lea, Flood (2014)."""
    with np.errstate(over="ignore"):
        places = np.arange(start + 1, start + count + 1, dtype=np.uint64)
        z = np.uint64(seed) + places * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return z ^ (z >> np.uint64(31))


def noise(seed: int, shape: tuple[int, ...]) -> np.ndarray:
    """Numbers in [-1, 1), float32."""
    values, step = np.empty(math.prod(shape), dtype=np.float32), 1 << 20
    for start in range(0, len(values), step):
        words = splitmix64(seed, start, min(step, len(values) - start))
        values[start : start + step] = (words >> np.uint64(40)).astype(np.float32) * np.float32(2**-23) - np.float32(1)
    return values.reshape(shape)


def noise_u8(seed: int, shape: tuple[int, ...]) -> np.ndarray:
    return (splitmix64(seed, 0, math.prod(shape)) >> np.uint64(56)).astype(np.uint8).reshape(shape)


CELL_PX = 8


def images(height: int, width: int) -> np.ndarray:
    """`[2, height, width, 3]` in 0..255: fine noise, and cells of one colour that get darker from top to bottom."""
    fine = noise_u8(1, (height, width, 3)).astype(np.int64)
    cells = noise_u8(2, (-(-height // CELL_PX), -(-width // CELL_PX), 3)).astype(np.int64)
    coarse = cells.repeat(CELL_PX, axis=0).repeat(CELL_PX, axis=1)[:height, :width]
    shade = np.arange(height, 0, -1)[:, None, None]
    return np.stack([fine, coarse * shade // height]).astype(np.float32)


# What a weight that is no kernel is filled with: `centre + half_width * noise`.
VECTOR_RANGES = {
    "bias": (0.0, 0.1),
    "beta": (0.0, 0.2),
    "gamma": (1.0, 0.2),
    "moving_mean": (0.0, 0.2),
    "moving_variance": (1.0, 0.3),
    "layer_scale": (0.55, 0.45),
    "mean": (0.45, 0.05),
    "variance": (0.06, 0.02),
}


def first_scale(shape) -> float:
    """With it, a kernel of noise makes numbers of standard deviation one of independent ones."""
    depthwise = len(shape) == 4 and shape[3] == 1
    return math.sqrt(3 / math.prod(shape[:2] if depthwise else shape[:-1]))


SAMPLE = 256


def sampled(outputs: np.ndarray) -> np.ndarray:
    """At most 256 evenly spaced values of each image, `[2, n]`."""
    flat = outputs.reshape(len(outputs), -1)
    return flat[:, :: -(-flat.shape[1] // SAMPLE)]
