"""Writes golden/zoo/mobilenet_075_charts: features of pictures in Keras with its official ImageNet weights.

    pip install -r requirements-keras.txt
    python keras_charts.py WEIGHTS_FOLDER DATA_FOLDER

WEIGHTS_FOLDER holds mobilenet_7_5_224_tf_no_top.h5, DATA_FOLDER pictures in charts/test/CLASS. Of each class the first PNG
files without transparency are taken, because every decoder makes the same of them: `paths`, as text, and `features`
`[n, 768]`.
"""

import os
import pathlib
import sys

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["CUDA_VISIBLE_DEVICES"] = "-1"

import keras
import numpy as np
from PIL import Image

from common import write_golden

SIDE = 224
PICTURES_PER_CLASS = 4
PACKAGES = ["h5py", "keras", "numpy", "pillow", "safetensors", "tensorflow-cpu"]


def pictures(data: pathlib.Path) -> dict[str, np.ndarray]:
    """By path: the picture stretched to a square without interpolation, in which libraries differ, `[224, 224, 3]` in 0..255."""
    found = {}
    for folder in sorted((data / "charts/test").iterdir()):
        images = [(path, Image.open(path)) for path in sorted(folder.glob("*.png"))]
        opaque = [(path, image) for path, image in images if image.mode == "RGB" and not image.info.get("transparency")]
        for path, image in opaque[:PICTURES_PER_CLASS]:
            square = image.resize((SIDE, SIDE), Image.Resampling.NEAREST)
            found[path.relative_to(data).as_posix()] = np.asarray(square, dtype=np.float32)
    return found


def main() -> None:
    weights, data = map(pathlib.Path, sys.argv[1:3])
    model = keras.applications.MobileNet(
        input_shape=(SIDE, SIDE, 3),
        alpha=0.75,
        include_top=False,
        pooling="avg",
        weights=str(weights / "mobilenet_7_5_224_tf_no_top.h5"),
    )
    found = pictures(data)
    pixels = keras.applications.mobilenet.preprocess_input(np.stack(list(found.values())))
    features = keras.ops.convert_to_numpy(model(pixels, training=False))
    paths = np.frombuffer("\n".join(found).encode(), dtype=np.uint8)
    write_golden("zoo/mobilenet_075_charts", {"features": features, "paths": paths}, 0, PACKAGES)
    print(f"{len(features)} pictures, largest feature {features.max():.3f}")


if __name__ == "__main__":
    main()
