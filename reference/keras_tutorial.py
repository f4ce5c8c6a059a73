"""Runs the recipes of the chart tutorial in Keras, for `cargo xtask tutorial` to put beside engraft's.

    pip install -r requirements-keras.txt
    python keras_tutorial.py DATA WEIGHTS RUNS.jsonl [--recipes NAME,..] [--seeds N]

DATA holds train/CLASS/* and test/CLASS/*, WEIGHTS is mobilenet_7_5_224_tf_no_top.h5. Each run appends a line to RUNS.jsonl:
recipe, seed, test accuracy, seconds of processor time on one thread, epochs. Runs that are in the file already are not
repeated, so the script may be interrupted at any time.
"""

import argparse
import json
import os
import pathlib
import resource

os.environ |= {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1", "OMP_NUM_THREADS": "1"}

import keras
import numpy as np
import tensorflow as tf
from keras import layers
from keras.src.legacy.preprocessing.image import ImageDataGenerator
from PIL import Image

CLASSES = 5
VIEWS = 4
AUGMENTATION = {"width_shift_range": 0.2, "height_shift_range": 0.2, "zoom_range": 0.2, "fill_mode": "nearest"}


def processor_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def load(folder: pathlib.Path, side: int, filter: Image.Resampling) -> tuple[np.ndarray, np.ndarray]:
    """Images `[n, side, side, 3]` in 0..255, stretched, and labels `[n, classes]`."""
    images, labels = [], []
    for label, class_folder in enumerate(sorted(folder.iterdir())):
        for path in sorted(class_folder.iterdir()):
            image = Image.open(path).convert("RGB").resize((side, side), filter)
            images.append(np.asarray(image, dtype=np.float32))
            labels.append(label)
    return np.stack(images), keras.utils.to_categorical(labels, CLASSES)


def preprocess(pixels: np.ndarray) -> np.ndarray:
    return pixels / 127.5 - 1.0


class StopAtLoss(keras.callbacks.Callback):
    """The tutorial's callback: training ends once the training loss is below 1e-7."""

    def on_epoch_end(self, epoch, logs=None):
        if logs["loss"] < 1e-7:
            self.model.stop_training = True


def pixels_network() -> list:
    return [layers.Flatten(), layers.Dense(1024, "relu"), layers.Dense(512, "relu")]


def cnn_network() -> list:
    convolutions = [[layers.Conv2D(filters, 3, activation="relu"), layers.MaxPooling2D(2)] for filters in (128, 64, 32)]
    return [*sum(convolutions, []), layers.Flatten(), layers.Dense(512, "relu")]


def dense_network() -> list:
    return [layers.Dense(128, "relu"), layers.Dropout(0.2), layers.Dense(128, "relu"), layers.Dropout(0.5)]


def fit(hidden: list, optimizer, train, test, epochs: int, batch_size: int, augment=None, seed=0) -> tuple[float, int]:
    """Test accuracy and the number of epochs it took."""
    network = [keras.Input(train[0].shape[1:]), *hidden, layers.Dense(CLASSES, "softmax")]
    model = keras.Sequential(network)
    model.compile(optimizer, "categorical_crossentropy", metrics=["accuracy"])
    settings = {"epochs": epochs, "verbose": 0, "callbacks": [StopAtLoss()]}
    if augment is None:
        history = model.fit(*train, batch_size=batch_size, **settings)
    else:
        history = model.fit(augment.flow(*train, batch_size=batch_size, seed=seed), **settings)
    return model.evaluate(*test, verbose=0)[1], len(history.epoch)


def from_scratch(data: pathlib.Path, seed: int, hidden: list, optimizer, augment: bool) -> tuple[float, int]:
    train, test = [load(data / part, 100, Image.Resampling.NEAREST) for part in ("train", "test")]
    test = preprocess(test[0]), test[1]
    if not augment:
        return fit(hidden, optimizer, (preprocess(train[0]), train[1]), test, 100, 20)
    generator = ImageDataGenerator(**AUGMENTATION, preprocessing_function=preprocess)
    return fit(hidden, optimizer, train, test, 100, 20, generator, seed)


def views(images: np.ndarray, seed: int) -> np.ndarray:
    """Each image and three augmented copies, image by image."""
    generator = ImageDataGenerator(**AUGMENTATION)
    copies = [[image, *(generator.random_transform(image) for _ in range(VIEWS - 1))] for image in images]
    return np.stack(sum(copies, []))


def on_features(data: pathlib.Path, weights: str, seed: int, hidden: list, pooled: bool, augment: bool) -> tuple[float, int]:
    """A head on a frozen MobileNet: pooled features `[n, 768]` or flattened maps `[n, 37632]`."""
    backbone = keras.applications.MobileNet(
        input_shape=(224, 224, 3), alpha=0.75, include_top=False, pooling="avg" if pooled else None, weights=weights
    )
    parts = []
    for part in ("train", "test"):
        images, labels = load(data / part, 224, Image.Resampling.BICUBIC)
        if augment and part == "train":
            images, labels = views(images, seed), np.repeat(labels, VIEWS, axis=0)
        features = backbone.predict(preprocess(images), verbose=0)
        parts.append((features.reshape(len(features), -1), labels))
    return fit(hidden, "adam", *parts, 200, 32)


def run(recipe: str, data: pathlib.Path, weights: str, seed: int) -> tuple[float, int]:
    """Adam's learning rate is 1e-3 and SGD's 0.01, the defaults."""
    np.random.seed(seed)
    keras.utils.set_random_seed(seed)
    match recipe.split("+"):
        case ["pixels"]:
            return from_scratch(data, seed, pixels_network(), "sgd", False)
        case ["cnn", *augmented]:
            return from_scratch(data, seed, cnn_network(), "adam", bool(augmented))
        case [name, *augmented]:
            hidden = [] if name == "linear" else dense_network()
            return on_features(data, weights, seed, hidden, name != "dense-flattened", bool(augmented))


RECIPES = [
    "linear",
    "dense-pooled",
    "dense-flattened",
    "pixels",
    "cnn",
    "cnn+augmentation",
    "dense-pooled+views",
    "dense-flattened+views",
]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=pathlib.Path)
    parser.add_argument("weights")
    parser.add_argument("runs", type=pathlib.Path)
    parser.add_argument("--recipes", default=",".join(RECIPES))
    parser.add_argument("--seeds", type=int, default=5)
    arguments = parser.parse_args()
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    lines = arguments.runs.read_text().splitlines() if arguments.runs.exists() else []
    done = {(line["recipe"], line["seed"]) for line in map(json.loads, lines)}
    for seed in range(arguments.seeds):
        for recipe in arguments.recipes.split(","):
            if (recipe, seed) in done:
                continue
            start = processor_seconds()
            accuracy, epochs = run(recipe, arguments.data, arguments.weights, seed)
            seconds = processor_seconds() - start
            line = {"recipe": recipe, "seed": seed, "accuracy": accuracy, "seconds": seconds, "epochs": epochs}
            with arguments.runs.open("a") as file:
                file.write(json.dumps(line) + "\n")
            print(line, flush=True)
            keras.backend.clear_session()


if __name__ == "__main__":
    main()
