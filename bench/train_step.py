"""One training step of the tutorial's networks on pixels: `train_speed` against Keras and PyTorch, interleaved.

    python3 bench/train_step.py [--network cnn|pixels] [--threads N] [--rounds N]

Installs its own pinned packages into `bench/.venv-train-step` the first time and builds the example. Every program keeps to
`N` threads; they take turns, some steps a turn. A step is loss, gradients and an update, by Adam for the CNN and by plain gradient
descent for the dense network. Prints medians, best steps and the peak of the resident memory.
"""

import argparse
import os
import statistics
import subprocess
import sys
import time
import venv
from pathlib import Path

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parent
VENV = HERE / ".venv-train-step"
PYTHON = VENV / "bin" / "python"
STEPS_A_TURN = 5
IMAGES, SIDE_PX, CLASSES = 20, 100, 5
# Of the convolutions and of the dense layers before the last.
FILTERS = {"cnn": (128, 64, 32), "pixels": ()}
UNITS = {"cnn": (512,), "pixels": (1024, 512)}


def enter_venv():
    """Continues under the script's own interpreter, made on first use. PyTorch is left out where it cannot be had."""
    if Path(sys.prefix) == VENV:
        return
    if not PYTHON.exists():
        venv.create(VENV, with_pip=True)
        for name, needed in [("requirements-train-step.txt", True), ("requirements-train-step-torch.txt", False)]:
            subprocess.run([PYTHON, "-m", "pip", "install", "-q", "-r", HERE / name], check=needed)
    os.execve(PYTHON, [str(PYTHON), *sys.argv], os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"})


def build():
    command = ["cargo", "build", "--release", "-q", "-p", "engraft-train", "--example", "train_speed"]
    subprocess.run(command, cwd=REPOSITORY, check=True)
    return REPOSITORY / "target" / "release" / "examples" / "train_speed"


def keras_step(network, threads):
    import keras
    import numpy as np
    import tensorflow as tf
    from keras import layers

    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    model = keras.Sequential([keras.Input((SIDE_PX, SIDE_PX, 3))])
    for filters in FILTERS[network]:
        model.add(layers.Conv2D(filters, 3, activation="relu"))
        model.add(layers.MaxPooling2D(2))
    model.add(layers.Flatten())
    for units in UNITS[network]:
        model.add(layers.Dense(units, "relu"))
    model.add(layers.Dense(CLASSES, "softmax"))
    model.compile({"cnn": "adam", "pixels": "sgd"}[network], "categorical_crossentropy")
    images = np.random.rand(IMAGES, SIDE_PX, SIDE_PX, 3).astype("float32")
    targets = np.eye(CLASSES, dtype="float32")[np.arange(IMAGES) % CLASSES]
    return lambda: model.train_on_batch(images, targets)


def torch_step(network, threads):
    import torch
    from torch import nn

    torch.set_num_threads(threads)
    layers, channels, side = [], 3, SIDE_PX
    for filters in FILTERS[network]:
        layers += [nn.Conv2d(channels, filters, 3), nn.ReLU(), nn.MaxPool2d(2)]
        channels, side = filters, (side - 2) // 2
    layers.append(nn.Flatten())
    features = channels * side * side
    for units in UNITS[network]:
        layers += [nn.Linear(features, units), nn.ReLU()]
        features = units
    model = nn.Sequential(*layers, nn.Linear(features, CLASSES)).to(memory_format=torch.channels_last)
    if network == "cnn":
        optimizer = torch.optim.Adam(model.parameters())
    else:
        optimizer = torch.optim.SGD(model.parameters(), 0.01)
    loss_of = nn.CrossEntropyLoss()
    images = torch.rand(IMAGES, 3, SIDE_PX, SIDE_PX).to(memory_format=torch.channels_last)
    targets = torch.arange(IMAGES) % CLASSES

    def step():
        optimizer.zero_grad()
        loss = loss_of(model(images), targets)
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


def peak_mb():
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


def serve(peer, network, threads):
    """For every line read, prints the milliseconds of some steps and the peak memory so far."""
    step = {"keras": keras_step, "torch": torch_step}[peer](network, threads)
    step()
    for _ in sys.stdin:
        times = []
        for _ in range(STEPS_A_TURN):
            start = time.perf_counter()
            step()
            times.append((time.perf_counter() - start) * 1e3)
        print(*times, peak_mb(), flush=True)


class Peer:
    """A library in a process of its own."""

    def __init__(self, name, network, threads):
        command = [sys.executable, __file__, "--serve", name, "--network", network, "--threads", str(threads)]
        environment = os.environ | {"OMP_NUM_THREADS": str(threads)}
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )
        self.turn()

    def turn(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        *times, memory = map(float, self.process.stdout.readline().split())
        return times, memory


class Ours:
    """The example, started anew for each turn; its first step does not count."""

    def __init__(self, program, network, threads):
        self.command = [program, network, str(threads), str(STEPS_A_TURN)]

    def turn(self):
        lines = subprocess.run(self.command, check=True, capture_output=True, text=True).stdout.splitlines()
        return [float(line) for line in lines[:STEPS_A_TURN]], int(lines[-1].split()[1]) / 1024


def has_torch():
    import importlib.util

    return importlib.util.find_spec("torch") is not None


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--network", choices=FILTERS, default="cnn")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--serve")
    arguments = parser.parse_args()
    network, threads = arguments.network, arguments.threads
    if arguments.serve:
        return serve(arguments.serve, network, threads)
    enter_venv()
    sides = {"engraft": Ours(build(), network, threads), "keras": Peer("keras", network, threads)}
    if has_torch():
        sides["torch"] = Peer("torch", network, threads)
    times, memory = {name: [] for name in sides}, {}
    for _ in range(arguments.rounds):
        for name, side in sides.items():
            turn, memory[name] = side.turn()
            times[name].extend(turn)
    medians = {name: statistics.median(side) for name, side in times.items()}
    for name, side in times.items():
        print(
            f"{name:8} {medians[name]:7.1f} ms, best {min(side):7.1f}, {memory[name]:6.0f} MB; "
            f"ours is {medians[name] / medians['engraft']:.2f} times as fast (medians), "
            f"{min(side) / min(times['engraft']):.2f} (best)"
        )


main()
