"""Writes golden/formats/mobilenet_025*: a weight file of a whole backbone by real Keras, small enough to be committed.

    pip install -r requirements-keras-files.txt
    python keras_small.py

- `mobilenet_025.h5`: MobileNet of alpha 0.25 without the classifier in the old layout, as the official files are. Its weights
  are those of `keras_zoo.py`, but kernels have one absolute value each, so that they can be stored compressed.
- `mobilenet_025.safetensors`: `features_61x47` of the images of `formula.py`, `[2, 256]`.
"""

import io
from importlib import import_module

import h5py
import numpy as np
from keras.src.legacy.saving import legacy_h5_format

from common import write_golden, write_golden_file
from formula import images
from keras_zoo import SEED, Filling, build, models, outputs_of, preprocessed, text

NAME = "mobilenet_025"
PACKAGES = ["h5py", "keras", "numpy", "safetensors", "tensorflow-cpu"]


def signs(weight: np.ndarray) -> np.ndarray:
    """A kernel of the same standard deviation but two values."""
    return np.sign(weight) * weight.std() if weight.ndim > 1 else weight


def compress(group: h5py.Group) -> None:
    """Stores all kernels below the group in compressed chunks."""
    paths = []
    group.visititems(lambda path, item: paths.append(path) if getattr(item, "ndim", 0) > 1 else None)
    for path in paths:
        data = group[path][()]
        del group[path]
        group.create_dataset(path, data=data, chunks=data.shape, compression=9)


def legacy_bytes(model) -> bytes:
    """The weights in the old layout, copied into a file without the holes that `compress` leaves."""
    whole, small = io.BytesIO(), io.BytesIO()
    with h5py.File(whole, "w") as source, h5py.File(small, "w") as target:
        legacy_h5_format.save_weights_to_hdf5_group(source, model)
        compress(source)
        for name, value in source.attrs.items():
            target.attrs[name] = value
        for name in source:
            source.copy(name, target)
    return small.getvalue()


def main() -> None:
    module, constructor, arguments, _, size = models()[NAME]
    batch = preprocessed(import_module(f"keras.applications.{module}"), images(*size))
    model = build(constructor, arguments, size, pooling="avg")
    Filling().fill_along(model, batch)
    model.set_weights([signs(weight) for weight in model.get_weights()])
    write_golden_file(f"formats/{NAME}.h5", legacy_bytes(model), SEED, PACKAGES)
    write_golden(f"formats/{NAME}", {f"features_{text(size)}": outputs_of(model, batch)}, SEED, PACKAGES)


if __name__ == "__main__":
    main()
