"""Saves models with real Keras in every format, for comparison with what we make of their files.

    pip install -r requirements-keras-files.txt
    python keras_saved.py FOLDER [NAME ...]    # a model of every family, or only those named
    cargo run --release -p engraft --example prove_keras_saved -- FOLDER

The weights are those of `keras_zoo.py`. Writes for each model, and once more with the classifier for a few (`NAME.top`):

- `NAME.model.h5`: the whole model in the old layout, as `model.save("NAME.h5")` writes it.
- `NAME.legacy.h5`: its weights in the old layout, as `save_weights` wrote them until Keras 2 and as the official files are.
- `NAME.weights.h5`, `NAME.keras`: the formats of Keras 3.
- `NAME.expected.safetensors`: `features_SIZE` and `logits_SIZE` of the images of `formula.py`, each `[2, n]`.

Layers are counted from somewhere, as after other models in the same session, so their names do not help a reader.
"""

import importlib
import pathlib
import sys

import h5py
import keras
import numpy as np
from keras.src.legacy.saving import legacy_h5_format
from safetensors.numpy import save_file

from formula import images
from keras_zoo import Filling, build, models, outputs_of, preprocessed, text

FAMILIES = [
    "convnext_tiny",
    "densenet121",
    "efficientnet_b0",
    "efficientnet_v2_b0",
    "inception_resnet_v2",
    "inception_v3",
    "mobilenet_050",
    "mobilenet_v2_035",
    "mobilenet_v3_large",
    "mobilenet_v3_small_minimalistic",
    "nasnet_mobile",
    "resnet152",
    "resnet50_v2",
    "vgg16",
    "xception",
]
WITH_TOP = ["densenet121", "efficientnet_b0", "mobilenet_050", "mobilenet_v3_large", "nasnet_mobile"]


def count_on() -> None:
    """Makes the counters of names begin anywhere."""
    for kind in (keras.layers.Conv2D, keras.layers.DepthwiseConv2D, keras.layers.SeparableConv2D):
        for _ in range(3):
            kind(1, 1)
    for kind in (keras.layers.BatchNormalization, keras.layers.Add, keras.layers.Normalization):
        kind()


def rebuilt(constructor: str, arguments: dict, **more) -> keras.Model:
    """As `keras_zoo.build`, but in a session in which there were other models."""
    count_on()
    return getattr(keras.applications, constructor)(weights=None, **arguments, **more)


def save(model: keras.Model, stem: pathlib.Path) -> None:
    model.save(f"{stem}.model.h5")
    with h5py.File(f"{stem}.legacy.h5", "w") as file:
        legacy_h5_format.save_weights_to_hdf5_group(file, model)
    model.save_weights(f"{stem}.weights.h5")
    model.save(f"{stem}.keras")


def write_files(folder: pathlib.Path, name: str) -> None:
    module, constructor, arguments, _, size = models()[name]
    batch = preprocessed(importlib.import_module(f"keras.applications.{module}"), images(*size))
    filling, expected = Filling(), {}
    filling.fill_along(build(constructor, arguments, size, pooling="avg"), batch)
    model = rebuilt(constructor, arguments, include_top=False, input_shape=(*size, 3), pooling="avg")
    filling.fill_at_once(model)
    expected[f"features_{text(size)}"] = outputs_of(model, batch)
    save(model, folder / name)
    if name in WITH_TOP:
        model = rebuilt(constructor, arguments, classifier_activation=None, input_shape=(*size, 3))
        filling.fill_at_once(model)
        expected[f"logits_{text(size)}"] = outputs_of(model, batch)
        save(model, folder / f"{name}.top")
    save_file({key: np.ascontiguousarray(array) for key, array in expected.items()}, folder / f"{name}.expected.safetensors")
    print(name, *(f"{key} up to {np.abs(array).max():.3g}" for key, array in expected.items()), flush=True)


def main() -> None:
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for name in sys.argv[2:] or FAMILIES:
        write_files(folder, name)


if __name__ == "__main__":
    main()
