"""Writes golden/gradients: loss, gradients and updated statistics of small networks for one batch, by the real Keras.

    pip install -r requirements-gradients.txt
    python gradients.py

Weights are noise by the formula that engraft-testing has too: array number `k` of a network, in Keras' order, is
`0.4 * noise(SEED + k)`, plus 1 for factors and variances. So is the batch: `noise(SEED + 100)`. Image `i` shows class
`i % classes`. Each golden holds `weight/LAYER/ROLE` before the step, `loss`, `probabilities`, `gradient/LAYER/ROLE` for each
weight that learns and `updated/LAYER/ROLE` for each that does not.
"""

import os

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["CUDA_VISIBLE_DEVICES"] = "-1"

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from common import write_golden

SEED = 1
IMAGES = 6
CLASSES = 3
PACKAGES = ["keras", "numpy", "safetensors", "tensorflow-cpu"]


def noise(seed: int, count: int) -> np.ndarray:
    """SplitMix64, spread over [-1, 1)."""
    with np.errstate(over="ignore"):
        step = np.uint64(0x9E3779B97F4A7C15)
        z = np.uint64(seed) + step * np.arange(1, count + 1, dtype=np.uint64)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z = z ^ (z >> np.uint64(31))
    return ((z >> np.uint64(40)).astype(np.float64) * 2.0 / (1 << 24) - 1.0).astype(np.float32)


def cnn() -> keras.Model:
    """The tutorial's, smaller."""
    image = x = layers.Input((18, 18, 3), name="image")
    for number, filters in enumerate([12, 8], 1):
        x = layers.Conv2D(filters, 3, activation="relu", name=f"conv{number}")(x)
        x = layers.MaxPooling2D(2, name=f"pool{number}")(x)
    x = layers.Flatten(name="flatten")(x)
    x = layers.Dense(20, activation="relu", name="dense")(x)
    return ended(image, x)


def residual(trainable: bool = True) -> keras.Model:
    """Batch normalisation, depthwise convolution, squeeze-and-excite and a residual sum."""
    image = layers.Input((9, 11, 3), name="image")
    x = layers.Conv2D(8, 3, strides=2, padding="same", use_bias=False, name="stem")(image)
    x = shortcut = layers.BatchNormalization(name="stem_bn", trainable=trainable)(x)
    x = layers.Activation("silu", name="stem_silu")(x)
    x = layers.DepthwiseConv2D(3, padding="same", use_bias=False, name="depthwise")(x)
    x = layers.BatchNormalization(name="depthwise_bn", trainable=trainable)(x)
    factor = layers.GlobalAveragePooling2D(keepdims=True, name="squeeze")(x)
    factor = layers.Conv2D(4, 1, activation="relu", name="reduce")(factor)
    factor = layers.Conv2D(8, 1, activation="sigmoid", name="expand")(factor)
    x = layers.Multiply(name="excite")([x, factor])
    x = layers.Add(name="add")([x, shortcut])
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    return ended(image, x)


def branches() -> keras.Model:
    """Concatenation and average pooling."""
    image = layers.Input((10, 9, 2), name="image")
    left = layers.Conv2D(5, (3, 2), strides=(2, 2), padding="same", activation="tanh", name="left")(image)
    right = layers.AveragePooling2D(3, strides=2, padding="same", name="average")(image)
    x = layers.Concatenate(name="concatenate")([left, right])
    x = layers.LayerNormalization(epsilon=1e-3, name="norm")(x)
    x = layers.Conv2D(4, 3, activation="gelu", name="conv")(x)
    x = layers.GlobalMaxPooling2D(name="pool")(x)
    return ended(image, x)


def ended(image, x) -> keras.Model:
    x = layers.Dense(CLASSES, name="scores")(x)
    return keras.Model(image, layers.Softmax(name="softmax")(x))


def fill(model: keras.Model) -> None:
    for number, weight in enumerate(weight for layer in model.layers for weight in layer.weights):
        centre = 1.0 if weight.name in ("gamma", "moving_variance") else 0.0
        values = centre + np.float32(0.4) * noise(SEED + number, int(np.prod(weight.shape)))
        weight.assign(values.reshape(weight.shape).astype(np.float32))


def step(name: str, model: keras.Model, label_smoothing: float = 0.0, weighted: bool = False) -> None:
    """One forward and backward pass in training mode."""
    fill(model)
    shape = (IMAGES, *model.input_shape[1:])
    images = noise(SEED + 100, int(np.prod(shape))).reshape(shape)
    targets = np.eye(CLASSES, dtype=np.float32)[np.arange(IMAGES) % CLASSES]
    weights = 0.5 + 0.25 * np.arange(IMAGES, dtype=np.float32) if weighted else None
    loss_of = keras.losses.CategoricalCrossentropy(label_smoothing=label_smoothing)
    arrays = {f"weight/{v.path}": v.numpy() for v in model.weights}
    with tf.GradientTape() as tape:
        probabilities = model(images, training=True)
        loss = loss_of(targets, probabilities, sample_weight=weights)
    gradients = tape.gradient(loss, model.trainable_variables)
    arrays |= {"loss": np.float64(loss), "probabilities": np.asarray(probabilities)}
    arrays |= {f"gradient/{v.path}": np.asarray(g) for v, g in zip(model.trainable_variables, gradients)}
    arrays |= {f"updated/{v.path}": np.asarray(v) for v in model.non_trainable_variables}
    write_golden(f"gradients/{name}", arrays, SEED, PACKAGES)


if __name__ == "__main__":
    step("cnn", cnn())
    step("residual", residual())
    step("frozen", residual(trainable=False))
    step("branches", branches(), label_smoothing=0.1, weighted=True)
