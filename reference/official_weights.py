"""Writes golden/weights/official: which weight file Keras fetches for each backbone, from where and with which hash.

Every constructor of keras.applications is asked for its ImageNet weights, and the one function that would download
them writes down what it was asked for instead. Nothing is downloaded. Run with KERAS_BACKEND=tensorflow.
"""

import keras
import numpy as np
from keras.src.layers.layer import Layer
from keras.src.utils import file_utils

from common import write_golden

NAMES = {
    "Xception": "xception",
    "InceptionV3": "inception_v3",
    "InceptionResNetV2": "inception_resnet_v2",
    "MobileNet": "mobilenet",
    "MobileNetV2": "mobilenet_v2",
    "MobileNetV3Small": "mobilenet_v3_small",
    "MobileNetV3Large": "mobilenet_v3_large",
    "NASNetMobile": "nasnet_mobile",
    "NASNetLarge": "nasnet_large",
}
NAMES |= {f"VGG{depth}": f"vgg{depth}" for depth in (16, 19)}
NAMES |= {f"ResNet{depth}": f"resnet{depth}" for depth in (50, 101, 152)}
NAMES |= {f"ResNet{depth}V2": f"resnet{depth}_v2" for depth in (50, 101, 152)}
NAMES |= {f"DenseNet{depth}": f"densenet{depth}" for depth in (121, 169, 201)}
NAMES |= {f"EfficientNetB{size}": f"efficientnet_b{size}" for size in range(8)}
NAMES |= {
    f"EfficientNetV2{size}": f"efficientnet_v2_{size.lower()}"
    for size in ("B0", "B1", "B2", "B3", "S", "M", "L")
}
NAMES |= {f"ConvNeXt{size}": f"convnext_{size.lower()}" for size in ("Tiny", "Small", "Base", "Large", "XLarge")}


class Asked(Exception):
    """Ends a constructor at the moment when it would download."""


def get_file(fname, origin, cache_subdir, file_hash=None):
    assert cache_subdir == "models"
    raise Asked(fname, origin, file_hash or "")


def constructors():
    """Our name, the constructor and its options for every file there is."""
    for keras_name, name in NAMES.items():
        for suffix, options in VARIANTS.get(keras_name, {"": {}}).items():
            yield name + suffix, getattr(keras.applications, keras_name), options


def alphas(*values):
    return {"" if value == 1.0 else f"_{round(100 * value):03d}": {"alpha": value} for value in values}


MOBILENET_V3 = {"": {}, "_075": {"alpha": 0.75}, "_minimalistic": {"minimalistic": True}}
VARIANTS = {
    "MobileNet": alphas(0.25, 0.5, 0.75, 1.0),
    "MobileNetV2": alphas(0.35, 0.5, 0.75, 1.0, 1.3, 1.4),
    "MobileNetV3Small": MOBILENET_V3,
    "MobileNetV3Large": MOBILENET_V3,
}


def asked_for(constructor, include_top, options):
    try:
        constructor(weights="imagenet", include_top=include_top, **options)
    except Asked as asked:
        return "\n".join(asked.args)
    raise AssertionError(f"{constructor} asked for no file")


def zeros_instead_of_random_numbers():
    """The values of the weights do not matter here, and zeros cost neither time nor memory."""
    add_weight = Layer.add_weight

    def add_zeros(self, shape=None, initializer=None, **options):
        return add_weight(self, shape=shape, initializer="zeros", **options)

    Layer.add_weight = add_zeros


def main() -> None:
    file_utils.get_file = get_file
    zeros_instead_of_random_numbers()
    arrays = {}
    for name, constructor, options in constructors():
        for ending, include_top in (("features", False), ("logits", True)):
            text = asked_for(constructor, include_top, options)
            arrays[f"{name}.{ending}"] = np.frombuffer(text.encode(), dtype=np.uint8)
            print(name, *text.split("\n"))
            keras.utils.clear_session()
    write_golden("weights/official", arrays, 0, ["keras", "numpy", "safetensors", "tensorflow-cpu"])


main()
