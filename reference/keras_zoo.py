"""Writes golden/keras_zoo: what every model of keras.applications computes with weights from a formula.

    pip install -r requirements-keras.txt
    python keras_zoo.py [NAME ...]          # all, or only those named; those that exist already are kept
    python keras_zoo.py --again NAME ...    # even those that exist

No weight file takes part: weight number `k` of a model, in the order in which Keras writes weights, is filled from the
random numbers of seed `SEED + k` (`noise`, the same as in engraft-testing). A kernel is `noise * scale`, with one scale
for each kernel that starts from its number of inputs and is then corrected by a pass over the images, so that what the
layer adds to the network has a standard deviation of one; the scales are part of the golden. Everything else has a range
fixed by what it is (`VECTOR_RANGES`). The filling is worth something only if kernels decide the features: the features of
the two images must differ by at least a tenth of the largest.

Each golden holds, for two sizes (the smallest that the model takes, and one of odd and unequal sides) and two images:
`features_SIZE` `[2, feature_len]`, and `first_SIZE` and `second_SIZE`, evenly spaced values of the outputs of two layers
whose names are in `layers`; `scales`; `value_counts` without and with the classifier; `order` and `order_top`, the SHA-256
of the lines `LAYER LENGTHxLENGTH LENGTH ...` of all layers that have weights, in Keras' order, without and with the
classifier.
"""

import functools
import gc
import hashlib
import importlib
import math
import os
import sys
import time

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["CUDA_VISIBLE_DEVICES"] = "-1"

import keras
import numpy as np

from common import GOLDEN, write_golden
from formula import VECTOR_RANGES, first_scale, images, noise, sampled

SEED = 1000
PACKAGES = ["keras", "numpy", "safetensors", "tensorflow-cpu"]

# Side of a square and sides of a rectangle, in pixels. The squares are the smallest that the models take, but for those in
# which so little is left of a small image that zeros at the border decide the features.
TINY, SMALL, MIDDLE, LARGE = (32, (61, 47)), (96, (101, 119)), (71, (89, 101)), (75, (95, 107))
DEEP = (128, (101, 119))

# One model of each structure is also run with maximum pooling, without pooling and with its classifier.
ALL_ENDINGS = {
    "convnext_tiny",
    "densenet121",
    "efficientnet_b0",
    "efficientnet_v2_b0",
    "inception_resnet_v2",
    "inception_v3",
    "mobilenet_025",
    "mobilenet_v2_140",
    "mobilenet_v3_large_minimalistic",
    "mobilenet_v3_small",
    "nasnet_mobile",
    "resnet50",
    "resnet50_v2",
    "vgg16",
    "xception",
}


def models() -> dict[str, tuple]:
    """By name: module, constructor, arguments, and the sides of the images."""
    table = {
        "xception": ("xception", "Xception", {}, *MIDDLE),
        "inception_v3": ("inception_v3", "InceptionV3", {}, *LARGE),
        "inception_resnet_v2": ("inception_resnet_v2", "InceptionResNetV2", {}, *LARGE),
        "nasnet_mobile": ("nasnet", "NASNetMobile", {}, *TINY),
        "nasnet_large": ("nasnet", "NASNetLarge", {}, *TINY),
    }
    for depth in (16, 19):
        table[f"vgg{depth}"] = (f"vgg{depth}", f"VGG{depth}", {}, *TINY)
    for depth in (50, 101, 152):
        table[f"resnet{depth}"] = ("resnet", f"ResNet{depth}", {}, *TINY)
        table[f"resnet{depth}_v2"] = ("resnet_v2", f"ResNet{depth}V2", {}, *TINY)
    for depth in (121, 169, 201):
        table[f"densenet{depth}"] = ("densenet", f"DenseNet{depth}", {}, *TINY)
    for percent in (100, 75, 50, 25):
        table[width("mobilenet", percent)] = ("mobilenet", "MobileNet", {"alpha": percent / 100}, *TINY)
    for percent in (100, 140, 130, 75, 50, 35):
        table[width("mobilenet_v2", percent)] = ("mobilenet_v2", "MobileNetV2", {"alpha": percent / 100}, *SMALL)
    for size in ("Small", "Large"):
        name = f"mobilenet_v3_{size.lower()}"
        for suffix, arguments in (("", {}), ("_075", {"alpha": 0.75}), ("_minimalistic", {"minimalistic": True})):
            table[name + suffix] = ("mobilenet_v3", f"MobileNetV3{size}", arguments, *SMALL)
    for index in range(8):
        sides = DEEP if index == 7 else SMALL
        table[f"efficientnet_b{index}"] = ("efficientnet", f"EfficientNetB{index}", {}, *sides)
    for variant in ("B0", "B1", "B2", "B3", "S", "M", "L"):
        table[f"efficientnet_v2_{variant.lower()}"] = ("efficientnet_v2", f"EfficientNetV2{variant}", {}, *SMALL)
    for variant in ("Tiny", "Small", "Base", "Large", "XLarge"):
        table[f"convnext_{variant.lower()}"] = ("convnext", f"ConvNeXt{variant}", {}, *TINY)
    return table


def width(name: str, percent: int) -> str:
    return name if percent == 100 else f"{name}_{percent:03}"


def weights_of(layer: keras.layers.Layer) -> list:
    """In the order in which Keras writes them."""
    return [*layer.trainable_weights, *layer.non_trainable_weights]


def role(layer: keras.layers.Layer, weight) -> str:
    return "layer_scale" if type(layer).__name__ == "LayerScale" else weight.name


def is_kernel(weight) -> bool:
    return len(weight.shape) > 1


class Filling:
    """Fills a model while images pass through it, and others of the same weights with the scales found then."""

    def __init__(self):
        self.number: dict[int, int] = {}
        self.scales: dict[int, np.float32] = {}

    def fill_along(self, model: keras.Model, batch: np.ndarray) -> None:
        """Fills all layers, each once those before it are filled."""
        self.count(model)
        model._run_through_graph([batch], lambda layer: functools.partial(self.run, layer))

    def fill_at_once(self, model: keras.Model) -> None:
        """Fills all layers; kernels that have no scale yet get that of their number of inputs."""
        self.count(model)
        for layer in model.layers:
            self.fill_vectors(layer)
            for kernel in kernels_of(layer):
                self.fill_kernel(kernel, self.scales.get(self.number[id(kernel)], first_scale(kernel.shape)))

    def count(self, model: keras.Model) -> None:
        weights = [weight for layer in model.layers for weight in weights_of(layer)]
        self.number = {id(weight): number for number, weight in enumerate(weights)}

    def run(self, layer, *arguments, **keywords):
        """What the layer makes of its input, once it is filled."""
        if isinstance(layer, keras.Sequential):
            for part in layer.layers:
                arguments = [self.run(part, *arguments)]
            return arguments[0]
        if isinstance(layer, keras.layers.Layer):
            self.fill_vectors(layer)
            for kernel in kernels_of(layer):
                self.fill_kernel(kernel, first_scale(kernel.shape))
                self.correct(layer, kernel, arguments[0])
        return layer(*arguments, **keywords)

    def correct(self, layer, kernel, inputs) -> None:
        activation, layer.activation = layer.activation, keras.activations.linear
        spread = keras.ops.convert_to_numpy(layer(inputs)).std()
        layer.activation = activation
        self.fill_kernel(kernel, first_scale(kernel.shape) / spread)

    def fill_vectors(self, layer: keras.layers.Layer) -> None:
        for weight in weights_of(layer):
            if not is_kernel(weight) and weight.name != "count":
                centre, half_width = map(np.float32, VECTOR_RANGES[role(layer, weight)])
                weight.assign(centre + half_width * self.noise(weight))
        finalize(layer)

    def fill_kernel(self, kernel, scale: float) -> None:
        self.scales[self.number[id(kernel)]] = np.float32(scale)
        kernel.assign(self.noise(kernel) * np.float32(scale))

    def noise(self, weight) -> np.ndarray:
        return noise(SEED + self.number[id(weight)], tuple(weight.shape))

    def all_scales(self) -> np.ndarray:
        return np.array([self.scales[number] for number in sorted(self.scales)], dtype=np.float32)


def finalize(layer: keras.layers.Layer) -> None:
    """Makes a normalisation use the moments it was given."""
    if isinstance(layer, keras.layers.Normalization):
        layer.finalize_state()


def kernels_of(layer: keras.layers.Layer) -> list:
    return [weight for weight in weights_of(layer) if is_kernel(weight)]


def preprocessed(module, pixels: np.ndarray) -> np.ndarray:
    return module.preprocess_input(pixels.copy())


def build(constructor: str, arguments: dict, size: tuple[int, int] | None, **more) -> keras.Model:
    """A fresh model, as unnamed layers are counted from the start; with the classifier if no size is given."""
    keras.backend.clear_session()
    gc.collect()
    if size is not None:
        more |= {"include_top": False, "input_shape": (*size, 3)}
    return getattr(keras.applications, constructor)(weights=None, **arguments, **more)


def set_weights(model: keras.Model, weights: list[np.ndarray]) -> None:
    model.set_weights(weights)
    for layer in model.layers:
        finalize(layer)


def order(model: keras.Model) -> list[str]:
    """A line for each layer that has weights."""
    layers = [layer for layer in model.layers if layer.weights]
    return [" ".join([layer.name, *(text(shape_of(layer, weight)) for weight in weights_of(layer))]) for layer in layers]


def shape_of(layer: keras.layers.Layer, weight) -> tuple[int, ...]:
    """ConvNeXt's convolutions in as many groups as channels have the same values as depthwise ones in another shape."""
    shape = tuple(weight.shape)
    return (*shape[:2], shape[3], shape[2]) if getattr(layer, "groups", 1) > 1 and len(shape) == 4 else shape


def shapes(lines: list[str]) -> list[str]:
    return [line.split(" ", 1)[1] for line in lines]


def digest(lines: list[str]) -> np.ndarray:
    return np.frombuffer(hashlib.sha256("".join(line + "\n" for line in lines).encode()).digest(), dtype=np.uint8)


def text(shape) -> str:
    return "x".join(map(str, shape)) or "scalar"


def two_layers(model: keras.Model) -> list[str]:
    """The names of two layers with maps, a third and two thirds on the way; those within squeeze-and-excite do not count."""
    maps = [layer for layer in model.layers if len(layer.output.shape) == 4]
    last = max(index for index, layer in enumerate(maps) if pixels(layer) > 1)
    names = [layer.name for index, layer in enumerate(maps) if pixels(layer) > 1 or index > last]
    return [names[len(names) // 3], names[2 * len(names) // 3]]


def pixels(layer: keras.layers.Layer) -> int:
    return math.prod(layer.output.shape[1:3])


def outputs_of(model: keras.Model, batch: np.ndarray) -> np.ndarray:
    return keras.ops.convert_to_numpy(model(batch, training=False))


def features_and_outputs(model: keras.Model, batch: np.ndarray, layers: list[str]) -> dict[str, np.ndarray]:
    first, second = (model.get_layer(name).output for name in layers)
    outputs = keras.Model(model.inputs, {"features": model.output, "first": first, "second": second})([batch], training=False)
    return keras.tree.map_structure(keras.ops.convert_to_numpy, outputs)


def write_model(name: str) -> None:
    module_name, constructor, arguments, square, odd = models()[name]
    module, began = importlib.import_module(f"keras.applications.{module_name}"), time.time()
    filling, weights, arrays, gaps, spreads = Filling(), None, {}, [], []
    for size in [odd, (square, square)]:
        model = build(constructor, arguments, size, pooling="avg")
        batch = preprocessed(module, images(*size))
        if weights is None:
            filling.fill_along(model, batch)
            weights, layers = model.get_weights(), two_layers(model)
        set_weights(model, weights)
        for part, outputs in features_and_outputs(model, batch, layers).items():
            arrays[f"{part}_{text(size)}"] = sampled(outputs) if outputs.ndim == 4 else outputs
            spreads.append(f"{outputs.std():.2g}")
        features = arrays[f"features_{text(size)}"]
        gaps.append(np.abs(features[0] - features[1]).max() / np.abs(features).max())
    arrays |= {
        "layers": np.frombuffer("\n".join(layers).encode(), dtype=np.uint8),
        "order": digest(order(model)),
        "scales": filling.all_scales(),
    }
    if name in ALL_ENDINGS:
        for ending, pooling in (("max", "max"), ("map", None)):
            model = build(constructor, arguments, odd, pooling=pooling)
            set_weights(model, weights)
            arrays[f"{ending}_{text(odd)}"] = sampled(outputs_of(model, preprocessed(module, images(*odd))))
    body_order, body_count = order(model), model.count_params()
    del model, weights
    top = build(constructor, arguments, None, classifier_activation=None)
    # ConvNeXt names its last normalisation in one of the two only.
    assert shapes(order(top))[: len(body_order)] == shapes(body_order), f"{name}: the classifier changes the order"
    arrays["order_with_top"] = digest(order(top))
    arrays["value_counts"] = np.array([body_count, top.count_params()], dtype=np.int64)
    if name in ALL_ENDINGS:
        if not constructor.startswith("VGG"):
            del top
            top = build(constructor, arguments, None, classifier_activation=None, input_shape=(*odd, 3))
        size = top.input_shape[1:3]
        filling.fill_at_once(top)
        arrays[f"logits_{text(size)}"] = outputs_of(top, preprocessed(module, images(*size)))
        arrays["scales_with_top"] = filling.all_scales()
    print(name, *spreads, "gaps", *(f"{gap:.3f}" for gap in gaps), f"{time.time() - began:.0f} s", flush=True)
    assert min(gaps) >= 0.1, f"{name}: the features of the two images differ by {gaps} of the largest, expected 0.1"
    write_golden(f"keras_zoo/{name}", arrays, SEED, PACKAGES)


def main() -> None:
    names = [name for name in sys.argv[1:] if name != "--again"] or list(models())
    for name in names:
        if "--again" in sys.argv or not (GOLDEN / f"keras_zoo/{name}.safetensors").exists():
            write_model(name)


if __name__ == "__main__":
    main()
