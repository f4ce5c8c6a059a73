"""Writes golden/timm_zoo: what EfficientNet-Lite in timm computes with weights from a formula.

    pip install -r requirements-timm.txt
    python timm_zoo.py

The weights, the images and the arrays are those of `keras_zoo.py`: weight number `k` counts convolution kernels and the four
vectors of each batch normalisation in the order in which they run, filled in the layout of Keras. The network runs in double
precision, so that a difference is our rounding. `state` lists the names and shapes of the tensors, as text.
"""

import numpy as np
import timm
import torch

from common import write_golden
from formula import VECTOR_RANGES, first_scale, images, noise, sampled

SEED = 1000
PACKAGES = ["numpy", "safetensors", "timm", "torch"]
SIZES = [(61, 47), (64, 64)]
LETTERS = "abcdefgh"
NORM_ROLES = {"weight": "gamma", "bias": "beta", "running_mean": "moving_mean", "running_var": "moving_variance"}


def tensors(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    """By name, in the order of the layers; timm lists those of each block as they run."""
    return {name: tensor for name, tensor in model.state_dict().items() if "num_batches" not in name}


def axes(name: str, tensor: torch.Tensor) -> tuple[int, ...]:
    """For each dimension in Keras' layout, the place of that dimension in PyTorch's."""
    if tensor.ndim == 2:
        return (1, 0)
    return (2, 3, 0, 1) if "conv_dw" in name else (2, 3, 1, 0)


class Filling:
    """Fills a model; each kernel while the images pass through it, so that what it makes has a standard deviation of one."""

    def __init__(self, model: torch.nn.Module):
        self.model = model
        self.numbers = {name: number for number, name in enumerate(tensors(model))}
        self.scales: dict[int, np.float32] = {}

    def fill_vectors(self) -> None:
        for name, tensor in tensors(self.model).items():
            if tensor.ndim == 1:
                role = name.rsplit(".", 1)[1]
                role = "bias" if name == "classifier.bias" else NORM_ROLES[role]
                centre, half_width = map(np.float32, VECTOR_RANGES[role])
                values = centre + half_width * noise(SEED + self.numbers[name], tuple(tensor.shape))
                tensor.copy_(torch.from_numpy(values))

    def fill_along(self, batch: torch.Tensor) -> None:
        kernels = [(name, module) for name, module in self.model.named_modules() if name and is_kernel(module)]
        hooks = [module.register_forward_pre_hook(self.fill_before(f"{name}.weight")) for name, module in kernels]
        self.model(batch)
        for hook in hooks:
            hook.remove()

    def fill_before(self, name: str):
        def fill(module: torch.nn.Module, inputs: tuple[torch.Tensor]) -> None:
            scale = np.float32(first_scale(self.fill_kernel(name, module.weight, np.float32(1))))
            self.fill_kernel(name, module.weight, scale)
            outputs = module.forward(*inputs)
            if module.bias is not None:
                outputs = outputs - module.bias
            self.fill_kernel(name, module.weight, np.float32(scale / outputs.std().item()))

        return fill

    def fill_kernel(self, name: str, kernel: torch.Tensor, scale: np.float32) -> tuple[int, ...]:
        """Returns the shape in Keras' layout."""
        order = axes(name, kernel)
        shape = tuple(kernel.shape[axis] for axis in order)
        values = (noise(SEED + self.numbers[name], shape) * scale).transpose(np.argsort(order))
        kernel.copy_(torch.from_numpy(np.ascontiguousarray(values)))
        self.scales[self.numbers[name]] = scale
        return shape

    def all_scales(self) -> np.ndarray:
        return np.array([self.scales[number] for number in sorted(self.scales)], dtype=np.float32)


def is_kernel(module: torch.nn.Module) -> bool:
    return isinstance(module, (torch.nn.Conv2d, torch.nn.Linear))


def network_input(size: tuple[int, int]) -> torch.Tensor:
    """`[2, 3, height, width]` as the network was trained on. Source: `efficientnet_lite_builder.py` of TensorFlow's TPU models."""
    return (torch.from_numpy(images(*size).transpose(0, 3, 1, 2).copy()).double() - 127) / 128


def outputs_of(model: torch.nn.Module, size: tuple[int, int]) -> dict[str, np.ndarray]:
    """Features, logits, and the maps after two stages, channels last."""
    x, stages = model.bn1(model.conv_stem(network_input(size))), []
    for stage in model.blocks:
        x = stage(x)
        stages.append(x)
    features = model.bn2(model.conv_head(x)).mean(dim=(2, 3))
    parts = {"first": stages[2], "second": stages[5], "features": features, "logits": model.classifier(features)}
    return {part: as_array(tensor) for part, tensor in parts.items()}


def as_array(tensor: torch.Tensor) -> np.ndarray:
    array = tensor.float().numpy()
    return sampled(array.transpose(0, 2, 3, 1)) if array.ndim == 4 else array


def layer_of(model: torch.nn.Module, stage: int) -> str:
    """What we call the last addition of a stage."""
    return f"block{stage + 1}{LETTERS[len(model.blocks[stage]) - 1]}_add"


def as_bytes(lines: list[str]) -> np.ndarray:
    return np.frombuffer("\n".join(lines).encode(), dtype=np.uint8)


@torch.no_grad()
def write_model(name: str) -> None:
    model = timm.create_model(f"tf_{name}", pretrained=False).double().eval()
    filling = Filling(model)
    filling.fill_vectors()
    filling.fill_along(network_input(SIZES[0]))
    arrays, gaps = {}, []
    for size in SIZES:
        outputs = outputs_of(model, size)
        arrays |= {f"{part}_{size[0]}x{size[1]}": array for part, array in outputs.items()}
        gaps.append(np.abs(np.diff(outputs["features"], axis=0)).max() / np.abs(outputs["features"]).max())
    state = tensors(model)
    counts = {name: tensor.numel() for name, tensor in state.items()}
    arrays |= {
        "layers": as_bytes([layer_of(model, 2), layer_of(model, 5)]),
        "scales": filling.all_scales()[:-1],
        "scales_with_top": filling.all_scales(),
        "state": as_bytes([" ".join([name, *map(str, tensor.shape)]) for name, tensor in state.items()]),
        "value_counts": np.array(
            [sum(count for name, count in counts.items() if not name.startswith("classifier")), sum(counts.values())]
        ),
    }
    print(name, "gaps", *(f"{gap:.3f}" for gap in gaps))
    assert min(gaps) >= 0.1, f"{name}: the features of the two images differ by {gaps} of the largest, expected 0.1"
    write_golden(f"timm_zoo/{name}", arrays, SEED, PACKAGES)


if __name__ == "__main__":
    for number in range(5):
        write_model(f"efficientnet_lite{number}")
