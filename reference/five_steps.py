"""Writes golden/train/five_steps: five steps of training small networks in Keras, each on a batch of its own.

    pip install -r requirements-keras.txt
    python five_steps.py

`images` is [batch, image, height, width, channel] and `labels` [batch, image]; a last batch is for validation. `NET/weights/NAME`
has the initial weights. A case is named `case;NET;OPTIMIZER;LEARNING_RATE;SCHEDULE;LABEL_SMOOTHING;CLASS_WEIGHTS` in our own
notation and has rows of loss, accuracy, validation loss and validation accuracy, one for each step.
"""

import os

os.environ["CUDA_VISIBLE_DEVICES"] = ""
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import keras
import numpy as np
from common import write_golden
from keras import layers
from optimizers import CLASSES, setting

SEED = 41
STEPS, BATCH, SIDE, LABELS = 5, 9, 10, 4
CASES = [
    *(f"{net};{optimizer};constant;0;" for net in ("cnn", "dense", "norm") for optimizer in (
        "adam;0.003", "adamw,weight_decay=0.1;0.003", "sgd,momentum=0.9,nesterov=true;0.05", "rmsprop;0.002",
    )),
    "cnn;adam;0.01;cosine,warmup=1,least=0.1;0.1;0.5,2,1,0",
    "norm;adam;0.01;constant;0.2;1,3,0.25,1",
    "dense;sgd;0.1;step,every=2,factor=0.5;0;",
]  # fmt: skip


def cnn():
    return [
        layers.Conv2D(8, 3, activation="relu", name="conv_1"), layers.MaxPooling2D(2),
        layers.Conv2D(6, 3, padding="same", activation="relu", name="conv_2"), layers.MaxPooling2D(2),
        layers.Flatten(), layers.Dense(16, activation="relu", name="dense_1"),
        layers.Dense(LABELS, activation="softmax", name="dense_2"),
    ]  # fmt: skip


def dense():
    return [
        layers.Flatten(), layers.Dense(24, activation="relu", name="dense_1"),
        layers.Dense(LABELS, activation="softmax", name="dense_2"),
    ]  # fmt: skip


def norm():
    return [
        layers.Conv2D(8, 3, strides=2, padding="same", use_bias=False, name="conv"), layers.BatchNormalization(name="norm_1"),
        layers.ReLU(), layers.DepthwiseConv2D(3, padding="same", use_bias=False, name="depthwise"),
        layers.BatchNormalization(name="norm_2"), layers.ReLU(), layers.GlobalAveragePooling2D(),
        layers.Dense(LABELS, activation="softmax", name="dense"),
    ]  # fmt: skip


NETS = {"cnn": cnn, "dense": dense, "norm": norm}


def build(net):
    return keras.Sequential([keras.Input((SIDE, SIDE, 3)), *NETS[net]()])


def initial_weights(rng, net):
    """Random biases and statistics too, so that none of them is special."""
    weights = {}
    for layer in build(net).layers:
        for variable, value in zip(layer.weights, layer.get_weights()):
            scale = 1 / np.sqrt(max(1, value.size / value.shape[-1])) if variable.name == "kernel" else 0.1
            centre = 1 if variable.name in ("gamma", "moving_variance") else 0
            drawn = centre + scale * rng.uniform(-1, 1, value.shape)
            weights[f"{net}/weights/{layer.name}/{variable.name}"] = drawn.astype(np.float32)
    return weights


def learning_rate(base, schedule):
    name, arguments = setting(schedule)
    if name == "cosine":
        warmup = int(arguments["warmup"])
        return keras.optimizers.schedules.CosineDecay(0.0, STEPS - warmup, arguments["least"], warmup_target=base, warmup_steps=warmup)
    if name == "step":
        return keras.optimizers.schedules.ExponentialDecay(base, int(arguments["every"]), arguments["factor"], staircase=True)
    return base


def train(case, weights, images, targets):
    net, optimizer, rate, schedule, smoothing, class_weights = case.split(";")
    model = build(net)
    for layer in model.layers:
        layer.set_weights([weights[f"{net}/weights/{layer.name}/{variable.name}"] for variable in layer.weights])
    name, arguments = setting(optimizer)
    model.compile(
        CLASSES[name](learning_rate=learning_rate(float(rate), schedule), **arguments),
        keras.losses.CategoricalCrossentropy(label_smoothing=float(smoothing)),
        metrics=["accuracy"],
    )
    class_weight = dict(enumerate(map(float, class_weights.split(",")))) if class_weights else None
    rows = []
    for step in range(STEPS):
        model.reset_metrics()
        loss, accuracy = model.train_on_batch(images[step], targets[step], class_weight=class_weight)
        validation = model.evaluate(images[STEPS], targets[STEPS], batch_size=4, verbose=0)
        rows.append([loss, accuracy, *validation])
    return np.float64(rows)


def main():
    rng = np.random.default_rng(SEED)
    images = rng.uniform(-1, 1, (STEPS + 1, BATCH, SIDE, SIDE, 3)).astype(np.float32)
    labels = rng.integers(0, LABELS, (STEPS + 1, BATCH))
    # Each class has a mean of its own, so that there is something to learn.
    images += (0.3 * rng.standard_normal((LABELS, SIDE, SIDE, 3))[labels]).astype(np.float32)
    weights = {name: value for net in NETS for name, value in initial_weights(rng, net).items()}
    arrays = {"images": images, "labels": labels.astype(np.int64)} | weights
    for case in CASES:
        arrays[f"case;{case}"] = train(case, weights, images, np.eye(LABELS, dtype=np.float32)[labels])
        print(case, arrays[f"case;{case}"].round(4).tolist())
    write_golden("train/five_steps", arrays, SEED, ["keras", "numpy", "tensorflow-cpu"])


if __name__ == "__main__":
    main()
