"""Golden file for `engraft-data`: Keras' `ImageDataGenerator` with fixed parameters.

Run with the packages of requirements-augment.txt; writes golden/data/augment_keras.safetensors. Images are bytes `[height,
width, 3]` named `source/HEIGHTxWIDTH`. `cases` has a row for each transform: height and width of its source, fill mode, cval, theta, tx,
ty, shear, zx, zy, flip_horizontal, flip_vertical, channel_shift_intensity, brightness; NaN where there is none. `out` has what
`apply_transform` made of them, one after another. `standardize/NAME` has what `fit` and `standardize` made of `standardize/data`;
`split` has rows (files, fraction, first and last index that is for validation) as Keras' own directory listing has them.
"""

import pathlib
import tempfile

import numpy as np
from common import write_golden
from keras.src.legacy.preprocessing import image as keras_image

SEED = 30
SIZES = [(12, 12), (9, 9), (13, 8), (7, 16), (10, 11), (1, 6), (5, 1), (2, 2)]
FILLS = [("nearest", 0.0), ("constant", 0.0), ("constant", 127.5), ("reflect", 0.0), ("wrap", 0.0)]
MODES = ["nearest", "constant", "reflect", "wrap"]
NAMES = ["theta", "tx", "ty", "shear", "zx", "zy", "flip_horizontal", "flip_vertical", "channel_shift_intensity", "brightness"]
SINGLE = [
    {"theta": 17.0}, {"theta": -133.0}, {"tx": 2.0}, {"tx": -3.0}, {"tx": 1.3}, {"ty": 4.0}, {"ty": -2.7},
    {"tx": 3.0, "ty": -2.0}, {"tx": 40.25, "ty": -61.5}, {"shear": 21.0}, {"shear": -38.0}, {"zx": 0.7, "zy": 0.7},
    {"zx": 1.4, "zy": 0.8}, {"zx": 2.6, "zy": 2.3}, {"flip_horizontal": 1.0}, {"flip_vertical": 1.0},
    {"flip_horizontal": 1.0, "flip_vertical": 1.0}, {"channel_shift_intensity": 31.5},
    {"channel_shift_intensity": -90.0}, {"brightness": 0.0}, {"brightness": 0.63}, {"brightness": 1.0},
    {"brightness": 1.77},
]  # fmt: skip
STANDARDIZE = {
    "rescale": {"rescale": 1 / 255},
    "samplewise": {"samplewise_center": True, "samplewise_std_normalization": True},
    "samplewise_std": {"rescale": 1 / 127.5, "samplewise_std_normalization": True},
    "featurewise": {"featurewise_center": True, "featurewise_std_normalization": True},
    "featurewise_center": {"rescale": 1 / 255, "featurewise_center": True},
    "featurewise_std": {"featurewise_std_normalization": True},
    "both": {"samplewise_center": True, "featurewise_center": True, "featurewise_std_normalization": True},
    "zca": {"rescale": 1 / 255, "featurewise_center": True, "zca_whitening": True},
    "zca_epsilon": {"rescale": 1 / 255, "featurewise_center": True, "zca_whitening": True, "zca_epsilon": 0.1},
    # Fewer images than values: without a larger epsilon Keras divides rounding errors by 1e-6.
    "zca_few": {"rescale": 1 / 255, "zca_whitening": True, "featurewise_std_normalization": True, "zca_epsilon": 0.1},
}
SPLITS = [(10, 0.25), (7, 0.2), (4, 0.2), (100, 0.29), (3, 0.5), (33, 0.1)]


def sources(rng: np.random.Generator) -> dict[tuple[int, int], np.ndarray]:
    """Noise with some even rows, so that clipped and unclipped values both occur."""
    images = {}
    for height, width in SIZES:
        pixels = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
        pixels[height // 2] = pixels[height // 2, :1]
        images[height, width] = pixels
    return images


def drawn(rng: np.random.Generator) -> dict[str, float]:
    """Several parameters at once."""
    ranges = {
        "theta": (-180, 180), "tx": (-6, 6), "ty": (-6, 6), "shear": (-45, 45), "zx": (0.5, 1.6), "zy": (0.5, 1.6),
        "flip_horizontal": (1, 1), "flip_vertical": (1, 1), "channel_shift_intensity": (-60, 60), "brightness": (0.3, 1.7),
    }  # fmt: skip
    return {name: float(rng.uniform(low, high)) for name, (low, high) in ranges.items() if rng.random() < 0.5}


def cases(rng: np.random.Generator):
    """(size, fill mode, cval, parameters): every single parameter, then combinations over all sizes and fills."""
    for number, parameters in enumerate(SINGLE):
        for mode, cval in FILLS:
            yield SIZES[number % 5], mode, cval, parameters
    for round_ in range(4):
        for size in SIZES:
            for mode, cval in FILLS:
                # Brightness cuts to whole numbers, where a rounding error becomes a whole step: mostly left out here.
                parameters = drawn(rng)
                if round_ > 0:
                    parameters.pop("brightness", None)
                yield size, mode, cval, parameters


def transformed(pixels: np.ndarray, mode: str, cval: float, parameters: dict[str, float]) -> np.ndarray:
    generator = keras_image.ImageDataGenerator(fill_mode=mode, cval=cval)
    return generator.apply_transform(pixels.astype(np.float32), parameters).astype(np.float32)


def standardized(data: np.ndarray, options: dict) -> np.ndarray:
    generator = keras_image.ImageDataGenerator(**options)
    generator.fit(data)
    return np.stack([np.asarray(generator.standardize(image.copy())).reshape(image.shape) for image in data])


def split(count: int, fraction: float) -> list[float]:
    """What Keras lists of a class folder of `count` files; their sorted names are their numbers."""
    with tempfile.TemporaryDirectory() as folder:
        for index in range(count):
            (pathlib.Path(folder) / f"{index:04}.png").touch()
        classes = {pathlib.Path(folder).name: 0}
        listing = keras_image._list_valid_filenames_in_directory(folder, ("png",), (0, fraction), classes, False)[1]
    numbers = [int(pathlib.Path(name).stem) for name in listing] or [0, -1]
    return [count, fraction, numbers[0], numbers[-1]]


def main() -> None:
    rng = np.random.default_rng(SEED)
    images = sources(rng)
    arrays = {f"source/{height}x{width}": pixels for (height, width), pixels in images.items()}
    rows, outs = [], []
    for size, mode, cval, parameters in cases(rng):
        rows.append([*size, MODES.index(mode), cval, *(parameters.get(key, np.nan) for key in NAMES)])
        outs.append(transformed(images[size], mode, cval, parameters).ravel())
    arrays["cases"] = np.array(rows, dtype=np.float64)
    arrays["out"] = np.concatenate(outs)
    data = rng.integers(0, 256, (80, 3, 4, 3)).astype(np.float32)
    arrays["standardize/data"] = data
    for name, options in STANDARDIZE.items():
        arrays[f"standardize/{name}"] = standardized(data[:12] if name == "zca_few" else data, options).astype(np.float32)
    arrays["split"] = np.array([split(*row) for row in SPLITS], dtype=np.float64)
    write_golden("data/augment_keras", arrays, SEED, ["keras", "numpy", "pillow", "scipy", "tensorflow-cpu"])
    print(f"{len(rows)} cases")


if __name__ == "__main__":
    main()
