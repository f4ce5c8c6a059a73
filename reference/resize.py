"""Golden file for `engraft-data`: Pillow's resize for all four filters, up and down, and its boxes for `crop`.

Run with the packages of requirements-resize.txt; writes golden/data/resize.safetensors. For each source image there
are `NAME/source`, `NAME/FILTER/WIDTHxHEIGHT` and `NAME/crop/FILTER/SIDE`, all u8 `[height, width, 3]`. The crop is made
the long way round, by resizing the whole image and cutting out the centre; only sources too long for that are resized
from the box that this amounts to.

The version is the last that always resizes rows before columns; later ones choose the order by its cost, and values
clipped between the two passes then differ.
"""

import numpy as np
from common import write_golden
from PIL import Image

SEED = 20
FILTERS = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}
SIZES = [(16, 16), (7, 23), (40, 9), (1, 1), (45, 31)]
CROP_SIDES = [14, 21]


def sources(rng: np.random.Generator) -> dict[str, np.ndarray]:
    def noise(height: int, width: int) -> np.ndarray:
        return rng.integers(0, 256, (height, width, 3), dtype=np.uint8)

    y, x = np.mgrid[0:33, 0:47]
    gradient = np.stack([x * 255 / 46, y * 255 / 32, (x + y) * 255 / 78], axis=2).round().astype(np.uint8)
    return {
        "noise": noise(37, 29),
        "gradient": gradient,
        "edges": noise(12, 12) // 128 * 255,
        "row": noise(1, 50),
        "column": noise(50, 1),
        "pixel": noise(1, 1),
    }


def crop(image: Image.Image, side: int, resample: Image.Resampling) -> Image.Image:
    """Short side to round(side / 0.875), then the centre."""
    short = round(side / 0.875)
    scale = short / min(image.size)
    width, height = (int(length * scale + 0.5) for length in image.size)
    left, top = (width - side) // 2, (height - side) // 2
    return image.resize((width, height), resample).crop((left, top, left + side, top + side))


def crop_of_long_column(image: Image.Image, side: int, resample: Image.Resampling) -> Image.Image:
    """The same for a column one pixel wide, from the box in its own coordinates."""
    short = round(side / 0.875)
    height = image.height * short
    left, top = (short - side) // 2, (height - side) // 2
    box = (left / short, top / short, (left + side) / short, (top + side) / short)
    return image.resize((side, side), resample, box=box)


def main() -> None:
    rng = np.random.default_rng(SEED)
    arrays = {}
    for name, pixels in sources(rng).items():
        image = Image.fromarray(pixels)
        arrays[f"{name}/source"] = pixels
        for filter_name, resample in FILTERS.items():
            for width, height in SIZES:
                arrays[f"{name}/{filter_name}/{width}x{height}"] = np.asarray(image.resize((width, height), resample))
            for side in CROP_SIDES:
                arrays[f"{name}/crop/{filter_name}/{side}"] = np.asarray(crop(image, side, resample))
    column = rng.integers(0, 256, (5000, 1, 3), dtype=np.uint8)
    arrays["long/source"] = column
    for filter_name, resample in FILTERS.items():
        arrays[f"long/crop/{filter_name}/14"] = np.asarray(crop_of_long_column(Image.fromarray(column), 14, resample))
    write_golden("data/resize", arrays, SEED, ["numpy", "pillow"])


if __name__ == "__main__":
    main()
