"""Golden files for the optimizers, schedules, callbacks and initializers of `engraft-train`.

    pip install -r requirements-keras.txt
    python optimizers.py

golden/optimizers/updates has, for each setting in our own notation, the parameters after each of ten updates with given
gradients and learning rates. golden/optimizers/schedules has learning rates by step, named `KIND/BASE/SETTINGS`;
golden/optimizers/callbacks has the losses of epochs and what ReduceLROnPlateau and EarlyStopping made of them;
golden/optimizers/initializers has kernel shapes, the fans that Keras counts and the limit of its uniform draw.
"""

import os

os.environ["CUDA_VISIBLE_DEVICES"] = ""
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import keras
import numpy as np
from common import write_golden
from keras.src.initializers.random_initializers import compute_fans

SEED = 40
PACKAGES = ["keras", "numpy", "tensorflow-cpu"]
STEPS = 10
CLASSES = {
    "sgd": keras.optimizers.SGD,
    "rmsprop": keras.optimizers.RMSprop,
    "adam": keras.optimizers.Adam,
    "adamw": keras.optimizers.AdamW,
}
OPTIMIZERS = [
    "sgd", "sgd,momentum=0.9", "sgd,momentum=0.9,nesterov=true", "sgd,momentum=0.5,nesterov=true,weight_decay=0.3",
    "rmsprop", "rmsprop,rho=0.8,momentum=0.7", "rmsprop,centered=true,epsilon=0.001",
    "rmsprop,rho=0.95,momentum=0.5,centered=true,weight_decay=0.1",
    "adam", "adam,beta_1=0.8,beta_2=0.95,epsilon=0.001", "adam,amsgrad=true", "adam,weight_decay=0.2",
    "adamw", "adamw,weight_decay=0.5,beta_1=0.7", "adamw,amsgrad=true,epsilon=0.01",
]  # fmt: skip
# Base rate, epochs, steps per epoch, epochs of warm-up, share of the base rate that is left.
COSINES = [(0.1, 5, 4, 0, 0.0), (0.003, 6, 3, 2, 0.0), (0.02, 4, 5, 1, 0.1), (1.0, 3, 1, 0, 0.25)]
# Base rate, epochs, steps per epoch, epochs between steps, factor.
STEPWISE = [(0.1, 7, 3, 2, 0.5), (0.01, 5, 4, 1, 0.9), (1.0, 4, 2, 10, 0.1)]
# Base rate, then the arguments of ReduceLROnPlateau.
PLATEAUS = [
    (0.1, {"factor": 0.5, "patience": 2, "min_delta": 1e-4, "cooldown": 0, "min_lr": 0.0}),
    (0.01, {"factor": 0.2, "patience": 1, "min_delta": 0.05, "cooldown": 2, "min_lr": 0.001}),
    (0.001, {"factor": 0.1, "patience": 0, "min_delta": 0.0, "cooldown": 0, "min_lr": 0.0}),
    (0.02, {"factor": 0.3, "patience": 3, "min_delta": 0.0, "cooldown": 1, "min_lr": 0.0}),
]
PATIENCES = [0, 1, 2, 3, 5, 50]
SHAPES = [(7, 3), (4608, 512), (3, 3, 3, 128), (3, 3, 128, 64), (3, 5, 8, 1), (1, 1, 16, 4)]


def setting(text):
    """The arguments in `name,key=value,key=value`."""
    name, *pairs = text.split(",")
    pairs = (pair.split("=") for pair in pairs)
    return name, {key: value == "true" if value in ("true", "false") else float(value) for key, value in pairs}


def updates(rng):
    initial = rng.normal(size=(4, 12)).astype(np.float32)
    # Gradients of very different size, some of them always or sometimes zero.
    gradients = (rng.normal(size=(STEPS, 4, 12)) * 10.0 ** rng.uniform(-4, 1, size=(4, 12))).astype(np.float32)
    gradients[:, 0, 0] = 0
    gradients[::2, 0, 1] = 0
    rates = np.float32([0.01] * 4 + [0.002] * 3 + [0.03] * 3)
    arrays = {"initial": initial, "gradients": gradients, "learning_rates": rates}
    for text in OPTIMIZERS:
        name, arguments = setting(text)
        variable = keras.Variable(initial)
        optimizer = CLASSES[name](**arguments)
        trajectory = []
        for rate, gradient in zip(rates, gradients):
            optimizer.learning_rate = float(rate)
            optimizer.apply([keras.ops.convert_to_tensor(gradient)], [variable])
            trajectory.append(keras.ops.convert_to_numpy(variable).copy())
        arrays[f"trajectory/{text}"] = np.stack(trajectory)
    write_golden("optimizers/updates", arrays, SEED, PACKAGES)


def schedules():
    arrays = {}
    for base, epochs, steps, warmup, least in COSINES:
        warm = {"initial_learning_rate": 0.0, "warmup_target": base, "warmup_steps": warmup * steps}
        arguments = warm if warmup else {"initial_learning_rate": base}
        cosine = keras.optimizers.schedules.CosineDecay(decay_steps=(epochs - warmup) * steps, alpha=least, **arguments)
        # Two epochs further than planned: the rate stays where it is.
        arrays[f"cosine/{base}/{epochs}/{steps}/{warmup}/{least}"] = rates(cosine, (epochs + 2) * steps)
    for base, epochs, steps, every, factor in STEPWISE:
        stepwise = keras.optimizers.schedules.ExponentialDecay(base, every * steps, factor, staircase=True)
        arrays[f"step/{base}/{epochs}/{steps}/{every}/{factor}"] = rates(stepwise, epochs * steps)
    write_golden("optimizers/schedules", arrays, SEED, PACKAGES)


def rates(schedule, steps):
    return np.float32([float(schedule(step)) for step in range(steps)])


def callbacks(rng):
    """Losses that fall, stall, creep down by less than any threshold, and rise."""
    falling = np.geomspace(2.0, 0.5, 10)
    losses = np.concatenate([falling, np.full(6, 0.5), 0.5 - 1e-5 * np.arange(6), 0.4 + 0.3 * rng.random(18)])
    arrays = {"losses": losses}
    for base, arguments in PLATEAUS:
        plateau = keras.callbacks.ReduceLROnPlateau(**arguments)
        text = ",".join(f"{key}={value}" for key, value in arguments.items()).replace("min_lr", "min_learning_rate")
        arrays[f"plateau/{base}/{text}"] = np.float32(followed(plateau, base, losses)[0])
    for patience in PATIENCES:
        stopping = keras.callbacks.EarlyStopping(patience=patience, restore_best_weights=True)
        _, epochs = followed(stopping, 0.1, losses)
        arrays[f"early_stopping/{patience}"] = np.int64([epochs, stopping.best_epoch + 1])
    write_golden("optimizers/callbacks", arrays, SEED, PACKAGES)


def followed(callback, base, losses):
    """The learning rate after each epoch, and how many epochs there were."""
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(base), loss="mse")
    callback.set_model(model)
    callback.on_train_begin()
    after = []
    for epoch, loss in enumerate(losses):
        callback.on_epoch_end(epoch, {"val_loss": loss})
        after.append(float(keras.ops.convert_to_numpy(model.optimizer.learning_rate)))
        if model.stop_training:
            break
    return after, len(after)


def initializers():
    """The largest of many numbers shows that the limit is the one of the draw."""
    arrays = {}
    for shape in SHAPES:
        fan_in, fan_out = compute_fans(shape)
        limit = np.sqrt(6 / (fan_in + fan_out))
        draws = np.stack([keras.initializers.GlorotUniform(seed=seed)(shape).numpy() for seed in range(30)])
        assert 0.97 * limit < np.abs(draws).max() < 1.000001 * limit, shape
        arrays["x".join(map(str, shape))] = np.float64([fan_in, fan_out, limit])
    write_golden("optimizers/initializers", arrays, SEED, PACKAGES)


if __name__ == "__main__":
    rng = np.random.default_rng(SEED)
    updates(rng)
    schedules()
    callbacks(rng)
    initializers()
