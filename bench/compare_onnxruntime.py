"""EfficientNet-Lite0 features: `lite0_speed` against ONNX Runtime, interleaved, on one thread or several.

    python3 bench/compare_onnxruntime.py [--rounds N] [--threads N] [--isa NAME]

Installs its own pinned packages into `bench/.venv` the first time and builds the example. Both sides run the same network
with the same weights, made by a formula; their features are compared first. Then they take turns, one image a run.
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
PYTHON = HERE / ".venv" / "bin" / "python"
REQUIREMENTS = HERE / "requirements-onnxruntime.txt"
SIDE = 224

# Per stage: expansion, channels, repeats, first stride, kernel.
STAGES = [
    (1, 16, 1, 1, 3),
    (6, 24, 2, 2, 3),
    (6, 40, 2, 2, 5),
    (6, 80, 3, 2, 3),
    (6, 112, 3, 1, 5),
    (6, 192, 4, 2, 5),
    (6, 320, 1, 1, 3),
]


def enter_venv():
    """Continues under the script's own interpreter, made on first use."""
    if Path(sys.prefix) == HERE / ".venv":
        return
    if not PYTHON.exists():
        venv.create(HERE / ".venv", with_pip=True)
        subprocess.run([PYTHON, "-m", "pip", "install", "-q", "-r", REQUIREMENTS], check=True)
    os.execv(PYTHON, [str(PYTHON), *sys.argv])


def formula(index, length, low, high):
    """The values of weight number `index`, as `formula_weights` in the example has them."""
    import numpy as np

    mask = np.uint64(0xFFFFFFFF)
    word = np.arange(1, length + 1, dtype=np.uint64) * np.uint64(2654435761) + np.uint64(index * 40503)
    word &= mask
    word = ((word ^ (word >> np.uint64(15))) * np.uint64(2246822519)) & mask
    word = (word ^ (word >> np.uint64(13))) >> np.uint64(8)
    return (low + (high - low) * word.astype(np.float64) / float(1 << 24)).astype(np.float32)


class Builder:
    """Nodes and weights of the ONNX model, in the order in which the example numbers its weights."""

    def __init__(self):
        self.nodes, self.tensors, self.count = [], [], 0

    def add(self, op, inputs, **attributes):
        from onnx import helper

        output = f"value{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, inputs, [output], **attributes))
        return output

    def tensor(self, array):
        from onnx import numpy_helper

        name = f"tensor{len(self.tensors)}"
        self.tensors.append(numpy_helper.from_array(array, name))
        return name

    def weight(self, shape, low, high):
        import numpy as np

        self.count += 1
        return formula(self.count - 1, int(np.prod(shape)), low, high).reshape(shape)

    def conv(self, x, size, in_channels, channels, kernel, stride, depthwise=False):
        """A bias-free convolution with TensorFlow's `same` padding; returns the output and its size."""
        import numpy as np

        taps = kernel * kernel
        reach = (6.0 / (taps if depthwise else taps * in_channels)) ** 0.5
        shape = (kernel, kernel, channels, 1) if depthwise else (kernel, kernel, in_channels, channels)
        weight = self.weight(shape, -reach, reach)
        order = (2, 3, 0, 1) if depthwise else (3, 2, 0, 1)
        out = -(-size // stride)
        total = max((out - 1) * stride + kernel - size, 0)
        pads = [total // 2] * 2 + [total - total // 2] * 2
        weight = self.tensor(np.ascontiguousarray(weight.transpose(order)))
        group = channels if depthwise else 1
        return self.add("Conv", [x, weight], strides=[stride] * 2, pads=pads, group=group), out

    def normalised(self, x, channels, active):
        import numpy as np

        ranges = [(0.5, 1.5), (-0.5, 0.5), (-0.5, 0.5), (0.5, 1.5)]
        tensors = [self.tensor(self.weight((channels,), *limits)) for limits in ranges]
        x = self.add("BatchNormalization", [x, *tensors], epsilon=1e-3)
        if not active:
            return x
        limits = [self.tensor(np.array(limit, np.float32)) for limit in (0, 6)]
        return self.add("Clip", [x, *limits])

    def block(self, x, size, in_channels, expansion, channels, stride, kernel):
        start, expanded = x, in_channels * expansion
        if expansion != 1:
            x, _ = self.conv(x, size, in_channels, expanded, 1, 1)
            x = self.normalised(x, expanded, True)
        x, size = self.conv(x, size, expanded, expanded, kernel, stride, depthwise=True)
        x = self.normalised(x, expanded, True)
        x, _ = self.conv(x, size, expanded, channels, 1, 1)
        x = self.normalised(x, channels, False)
        if stride == 1 and in_channels == channels:
            x = self.add("Add", [x, start])
        return x, size

    def model(self):
        """The network; its input is the rescaled image."""
        from onnx import TensorProto, helper

        x, size = self.conv("image", SIDE, 3, 32, 3, 2)
        x, in_channels = self.normalised(x, 32, True), 32
        for expansion, channels, repeats, first_stride, kernel in STAGES:
            for repeat in range(repeats):
                stride = first_stride if repeat == 0 else 1
                x, size = self.block(x, size, in_channels, expansion, channels, stride, kernel)
                in_channels = channels
        x, _ = self.conv(x, size, in_channels, 1280, 1, 1)
        x = self.add("GlobalAveragePool", [self.normalised(x, 1280, True)])
        image = helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, SIDE, SIDE])
        features = helper.make_tensor_value_info(x, TensorProto.FLOAT, [1, 1280, 1, 1])
        graph = helper.make_graph(self.nodes, "lite0", [image], [features], self.tensors)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


def test_image():
    """The example's image, rescaled as its graph does; `[1, 3, height, width]`."""
    import numpy as np

    i = np.arange(SIDE * SIDE * 3)
    image = ((i * 7919 + i // 1000) % 256).reshape(SIDE, SIDE, 3).astype(np.float32)
    return np.ascontiguousarray((image / 128 - np.float32(127 / 128)).transpose(2, 0, 1)[None])


def example(environment):
    subprocess.run(
        ["cargo", "build", "--release", "-q", "-p", "engraft", "--example", "lite0_speed"],
        cwd=REPOSITORY,
        check=True,
    )
    program = REPOSITORY / "target" / "release" / "examples" / "lite0_speed"
    features = subprocess.run([program, "features"], env=environment, check=True, capture_output=True, text=True)
    server = subprocess.Popen(
        [program, "serve"], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    return [float(line) for line in features.stdout.split()], server


def ours(server, runs):
    server.stdin.write(f"{runs}\n")
    server.stdin.flush()
    return [float(x) for x in server.stdout.readline().split()]


def theirs(session, image, runs):
    seconds = []
    for _ in range(runs):
        start = time.perf_counter()
        session.run(None, {"image": image})
        seconds.append(time.perf_counter() - start)
    return seconds


def report(name, seconds):
    middle = statistics.median(seconds)
    print(f"{name:14} median {1 / middle:6.1f} images/s ({middle * 1e3:.2f} ms), best {1 / min(seconds):6.1f}")
    return middle


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--isa", default="")
    arguments = parser.parse_args()
    enter_venv()

    import numpy as np
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = arguments.threads, 1
    model = Builder().model().SerializeToString()
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    image = test_image()
    want = session.run(None, {"image": image})[0].ravel()
    environment = {**os.environ, "THREADS": str(arguments.threads), "ENGRAFT_ISA": arguments.isa}
    features, server = example(environment)
    error = float(np.abs(np.array(features) - want).max() / np.abs(want).max())
    print(f"largest difference {error:.1e} of the largest feature ({np.abs(want).max():.3f})")
    assert error < 1e-4, "the two sides compute different networks"

    seconds = {"engraft": [], "ONNX Runtime": []}
    ours(server, 5), theirs(session, image, 5)
    for _ in range(arguments.rounds):
        seconds["engraft"] += ours(server, 5)
        seconds["ONNX Runtime"] += theirs(session, image, 5)
    server.stdin.close()
    print(f"onnxruntime {onnxruntime.__version__}, {arguments.threads} thread(s), {arguments.rounds} x 5 runs each")
    medians = [report(name, times) for name, times in seconds.items()]
    print(f"ratio of medians {medians[1] / medians[0]:.3f}, of bests {min(seconds['ONNX Runtime']) / min(seconds['engraft']):.3f}")


if __name__ == "__main__":
    main()
