"""Writes golden/zoo/mobilenet_075_photographs: features of photographs in Keras with its official ImageNet weights.

    pip install -r requirements-keras.txt
    python keras_photographs.py WEIGHTS_FOLDER DATA_FOLDER

WEIGHTS_FOLDER holds mobilenet_7_5_224_tf_no_top.h5, DATA_FOLDER the photographs that golden/zoo/photographs lists. `features`
are `[n, 768]`, in the order of that list.
"""

import os
import pathlib
import sys

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["CUDA_VISIBLE_DEVICES"] = "-1"

import keras
import numpy as np
from PIL import Image
from safetensors.numpy import load_file

from common import GOLDEN, write_golden

SIDE = 224
PACKAGES = ["h5py", "keras", "numpy", "pillow", "safetensors", "tensorflow-cpu"]


def photograph(path: pathlib.Path) -> np.ndarray:
    """Short side to 256 pixels, bicubic, then the centre."""
    image = Image.open(path).convert("RGB")
    scale = round(SIDE / 0.875) / min(image.size)
    image = image.resize([round(length * scale) for length in image.size], Image.Resampling.BICUBIC)
    left, top = ((length - SIDE) // 2 for length in image.size)
    return np.asarray(image.crop((left, top, left + SIDE, top + SIDE)))


def main() -> None:
    weights, data = map(pathlib.Path, sys.argv[1:3])
    model = keras.applications.MobileNet(
        input_shape=(SIDE, SIDE, 3),
        alpha=0.75,
        include_top=False,
        pooling="avg",
        weights=str(weights / "mobilenet_7_5_224_tf_no_top.h5"),
    )
    paths = bytes(load_file(GOLDEN / "zoo/photographs.safetensors")["paths"]).decode().split("\n")
    pixels = np.stack([photograph(data / path) for path in paths]).astype(np.float32)
    features = keras.ops.convert_to_numpy(model(keras.applications.mobilenet.preprocess_input(pixels), training=False))
    write_golden("zoo/mobilenet_075_photographs", {"features": features}, 0, PACKAGES)
    print(f"{len(features)} photographs, largest feature {features.max():.3f}")


if __name__ == "__main__":
    main()
