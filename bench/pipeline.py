"""From a folder of photographs to EfficientNet-Lite0's features: `engraft embed` against Keras' and PyTorch's pipelines, interleaved.

    python3 bench/pipeline.py FOLDER [--images N] [--threads N] [--rounds N]

Uses the environment of `peers.py`. All sides read the same files. Ours is the whole command with an empty store, process start included;
the others have imported their library and built their model before the clock starts. Then decoding and resizing alone, on one thread, beside
torchvision's antialiased path, to see which stage bounds ours.
"""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from peers.install import build_ours, enter_venv
from peers.side import BENCH, REPOSITORY

NETWORK, SIDE_PX, BATCH = "efficientnet_lite0", 224, 32
KINDS = (".jpg", ".jpeg", ".png")


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--images", type=int, default=600, help="as many of them, spread over the folder")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    parser.add_argument("--workers", type=int, default=0, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if not options.folder.is_dir():
        parser.error(f"{options.folder} is not a folder, expected one with folders of photographs")
    return options


def keras_pass(folder, threads):
    """A function that takes every image through `image_dataset_from_directory` and `predict`."""
    import keras
    import tensorflow

    from peers.network import Network
    from peers.to_keras import keras_model

    tensorflow.config.threading.set_intra_op_parallelism_threads(threads)
    tensorflow.config.threading.set_inter_op_parallelism_threads(threads)
    model = keras_model(Network(BENCH / ".networks" / NETWORK))
    scaled = keras.Sequential([keras.layers.Rescaling(1 / 128, -127 / 128), model])

    def run(_):
        images = keras.utils.image_dataset_from_directory(
            folder, labels=None, image_size=(SIDE_PX, SIDE_PX), batch_size=BATCH, shuffle=False, verbose=False
        )
        return len(scaled.predict(images, verbose=0))

    return run


class Photographs:
    """Files as tensors `[3, 224, 224]`: decoded and resized with antialiasing by torchvision."""

    def __init__(self, folder):
        self.paths = photographs(folder)

    def __len__(self):
        return len(self.paths)

    def __getitem__(self, index):
        from torchvision.io import ImageReadMode, decode_image
        from torchvision.transforms.v2 import functional

        image = decode_image(str(self.paths[index]), ImageReadMode.RGB)
        return functional.resize(image, [SIDE_PX, SIDE_PX], antialias=True)


def torch_pass(folder, threads, workers):
    """A function that takes every image through a `DataLoader` and the traced, frozen module."""
    import torch

    from peers.engines import Torch

    images = Photographs(folder)
    engine = Torch(BENCH / ".networks" / NETWORK, threads, "f32")

    def run(_):
        count = 0
        with torch.inference_mode():
            for batch in torch.utils.data.DataLoader(images, BATCH, num_workers=workers):
                batch = batch.contiguous(memory_format=torch.channels_last).float().div_(128).sub_(127 / 128)
                count += len(engine.module(batch))
        return count

    return run


def torchvision_pass(folder):
    """A function that decodes and resizes so many images on one thread."""
    import torch

    torch.set_num_threads(1)
    images, position = Photographs(folder), 0

    def run(count):
        nonlocal position
        for _ in range(count):
            images[position % len(images)]
            position += 1
        return count

    return run


def serve(options):
    """Answers each line, a number of images, with the images a second of one pass."""
    run = {
        "keras": lambda: keras_pass(options.folder, options.threads),
        "torch": lambda: torch_pass(options.folder, options.threads, options.workers),
        "torchvision": lambda: torchvision_pass(options.folder),
    }[options.serve]()
    run(1)
    print("ready", flush=True)
    for line in sys.stdin:
        start = time.perf_counter()
        count = run(int(line))
        print(count / (time.perf_counter() - start), flush=True)


class Peer:
    """A pipeline in a process of its own."""

    def __init__(self, folder, threads, name, workers=0):
        command = [sys.executable, __file__, str(folder), "--serve", name]
        command += ["--threads", str(threads), "--workers", str(workers)]
        self.process = start(command, {"OMP_NUM_THREADS": str(threads), "TF_CPP_MIN_LOG_LEVEL": "3"})
        assert self.process.stdout.readline() == "ready\n", f"{name} did not start"

    def images_per_second(self, count):
        return float(ask(self.process, count))


class Decoder:
    """Our decoding and resizing on one thread."""

    def __init__(self, program, folder):
        self.process = start([program, folder, str(SIDE_PX)], {})

    def images_per_second(self, count):
        return count / float(ask(self.process, count))


class Embed:
    """`engraft embed`, started anew for each pass, with an empty store."""

    def __init__(self, program, folder, threads):
        self.program, self.folder, self.threads = program, folder, threads

    def images_per_second(self, count):
        with tempfile.TemporaryDirectory() as scratch:
            command = [self.program, "embed", self.folder, "--out", f"{scratch}/f.npy", "--quiet", "--filter", "bilinear"]
            environment = os.environ | {"ENGRAFT_CACHE": f"{scratch}/store"}
            began = time.perf_counter()
            subprocess.run(
                [*command, "--threads", str(self.threads)], env=environment, check=True, stdout=subprocess.DEVNULL
            )
            return count / (time.perf_counter() - began)


def start(command, environment):
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    return subprocess.Popen(command, env=os.environ | environment, text=True, **pipes)


def ask(process, request):
    process.stdin.write(f"{request}\n")
    process.stdin.flush()
    return process.stdout.readline()


def photographs(folder):
    return sorted(path for path in Path(folder).rglob("*") if path.suffix.lower() in KINDS)


def sample(folder, count, scratch):
    """A folder with `count` of the photographs, evenly spread, so that every pass is short."""
    paths = photographs(folder)
    chosen = paths[:: max(len(paths) // count, 1)][:count]
    images = Path(scratch) / "images"
    images.mkdir()
    for index, path in enumerate(chosen):
        shutil.copy(path, images / f"{index:05}{path.suffix}")
    return images, len(chosen)


def build():
    from peers.export import export

    for package in (["-p", "engraft-cli"], ["-p", "engraft-data", "--example", "decode_speed"]):
        subprocess.run(["cargo", "build", "--release", "-q", *package], cwd=REPOSITORY, check=True)
    export(build_ours(), NETWORK)
    return REPOSITORY / "target/release"


def take_turns(sides, count, rounds):
    speeds = {name: [] for name in sides}
    for _ in range(rounds):
        for name, side in sides.items():
            speeds[name].append(side.images_per_second(count))
    return {name: statistics.median(values) for name, values in speeds.items()}


def main():
    options = parse_arguments()
    enter_venv()
    if options.serve:
        return serve(options)
    programs = build()
    with tempfile.TemporaryDirectory() as scratch:
        folder, count = sample(options.folder, options.images, scratch)
        sides = {
            "engraft embed": Embed(programs / "engraft", folder, options.threads),
            "Keras, image_dataset_from_directory + predict": Peer(folder, options.threads, "keras"),
            "PyTorch, DataLoader without workers": Peer(folder, options.threads, "torch"),
            "PyTorch, DataLoader with 2 workers": Peer(folder, options.threads, "torch", 2),
        }
        print(f"{count} photographs, {options.threads} threads, load {os.getloadavg()[0]:.1f}")
        report(take_turns(sides, count, options.rounds))
        print("decoding and resizing alone, one thread")
        sides = {
            "engraft": Decoder(programs / "examples/decode_speed", folder),
            "torchvision, antialiased": Peer(folder, 1, "torchvision"),
        }
        report(take_turns(sides, min(count, 200), options.rounds))


def report(speeds):
    ours = next(iter(speeds.values()))
    for name, speed in speeds.items():
        print(f"{name:48} {speed:7.1f} images/s; ours is {ours / speed:5.2f} times as fast")


if __name__ == "__main__":
    main()
