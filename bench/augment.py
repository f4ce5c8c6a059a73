"""One augmented copy of a 224 x 224 image: `augment_speed` against Keras' `random_transform`, interleaved, one thread each.

    python3 bench/augment.py [--rounds N] [--side PX]

Installs its own pinned packages into `bench/.venv-augment` the first time and builds the example. Each row is one setting that
both sides understand; they take turns, some copies a turn. A copy of Keras' counts once it stands in a batch, as its iterator puts
it there, since a flip alone is only another view of the same pixels; one of ours begins by copying the image.
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
VENV = HERE / ".venv-augment"
PYTHON = VENV / "bin" / "python"
COPIES_A_TURN = 5

# What a person writes here, and the same in Keras.
ROWS = [
    ("tutorial", {"width_shift_range": 0.2, "height_shift_range": 0.2, "zoom_range": 0.2}),
    ("rotation=20", {"rotation_range": 20}),
    (
        "rotation=20,shear=10,zoom=0.2,horizontal-flip,fill=reflect",
        {"rotation_range": 20, "shear_range": 10, "zoom_range": 0.2, "horizontal_flip": True, "fill_mode": "reflect"},
    ),
    ("channel-shift=30", {"channel_shift_range": 30}),
    ("brightness=0.8:1.2", {"brightness_range": (0.8, 1.2)}),
    ("horizontal-flip=0.5", {"horizontal_flip": True}),
]


def enter_venv():
    """Continues under the script's own interpreter, made on first use, on one thread."""
    if Path(sys.prefix) == VENV:
        return
    if not PYTHON.exists():
        venv.create(VENV, with_pip=True)
        requirements = HERE / "requirements-augment.txt"
        subprocess.run([PYTHON, "-m", "pip", "install", "-q", "-r", requirements], check=True)
    quiet = {"TF_CPP_MIN_LOG_LEVEL": "3", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    os.execve(PYTHON, [str(PYTHON), *sys.argv], os.environ | quiet)


def build():
    command = ["cargo", "build", "--release", "-q", "-p", "engraft-data", "--example", "augment_speed"]
    subprocess.run(command, cwd=REPOSITORY, check=True)
    return REPOSITORY / "target" / "release" / "examples" / "augment_speed"


def ours(server):
    server.stdin.write(f"{COPIES_A_TURN}\n")
    server.stdin.flush()
    return [float(seconds) for seconds in server.stdout.readline().split()]


def theirs(generator, image, batch):
    seconds = []
    for _ in range(COPIES_A_TURN):
        start = time.perf_counter()
        batch[0] = generator.random_transform(image)
        seconds.append(time.perf_counter() - start)
    return seconds


def compare(program, settings, generator, image, rounds):
    server = subprocess.Popen(
        [program, settings, str(len(image))], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    batch = image[None].copy()
    ours(server), theirs(generator, image, batch)
    seconds = ([], [])
    for _ in range(rounds):
        seconds[0].extend(ours(server))
        seconds[1].extend(theirs(generator, image, batch))
    server.stdin.close()
    server.wait()
    medians, bests = [statistics.median(side) for side in seconds], [min(side) for side in seconds]
    print(
        f"{settings:60} {medians[0] * 1e3:8.3f} {medians[1] * 1e3:8.3f} ms, "
        f"ratio of medians {medians[1] / medians[0]:6.1f}, of bests {bests[1] / bests[0]:6.1f}",
        flush=True,
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--side", type=int, default=224)
    arguments = parser.parse_args()
    enter_venv()

    import numpy as np
    from keras.src.legacy.preprocessing.image import ImageDataGenerator

    i = np.arange(arguments.side**2 * 3)
    image = ((i * 7919 + i // 1000) % 256).reshape(arguments.side, arguments.side, 3).astype(np.float32)
    program = build()
    print(f"{'settings':60} {'ours':>8} {'Keras':>8}")
    for settings, options in ROWS:
        compare(program, settings, ImageDataGenerator(**options), image, arguments.rounds)


if __name__ == "__main__":
    main()
