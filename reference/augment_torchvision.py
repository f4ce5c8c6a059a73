"""Golden file for `engraft-data`: torchvision's operations at fixed strengths, on float images in 0..1 where they take them.

Run with the packages of requirements-augment-torchvision.txt; writes golden/data/augment_torchvision.safetensors: `source`
`[height, width, 3]` in 0..255, `OPERATION/STRENGTH` of the same shape and scale, `labels` and `mixup/*`, `cutmix/*` of the batch
`batch` `[n, height, width, 3]`. Geometric operations are bilinear; beyond the edge they are NaN here, since torchvision blends
the edge with the outside and we do not.
"""

import numpy as np
import torch
import torchvision.transforms.v2.functional as functional
from common import write_golden
from torchvision.transforms import InterpolationMode, autoaugment
from torchvision.transforms import functional as functional_v1
from torchvision.transforms import v2

SEED = 31
HEIGHT, WIDTH = 17, 22
BILINEAR = InterpolationMode.BILINEAR
FLOAT_OPS = {
    "adjust_brightness": [0.0, 0.4, 1.7],
    "adjust_contrast": [0.0, 0.3, 1.9],
    "adjust_saturation": [0.0, 0.5, 2.2],
    "adjust_hue": [-0.5, -0.13, 0.0, 0.27],
    "adjust_sharpness": [0.0, 0.35, 1.8],
}
POLICY = {
    "ShearX": [0.3, -0.7], "ShearY": [0.25, -0.5], "TranslateX": [5.0, -3.0], "TranslateY": [4.0, -6.0],
    "Rotate": [23.0, -110.0], "Brightness": [0.4, -0.6], "Color": [0.5, -0.9], "Contrast": [0.7, -0.3],
    "Sharpness": [0.8, -0.5], "AutoContrast": [0.0], "Solarize": [0.4],
}  # fmt: skip
GEOMETRIC = ["ShearX", "ShearY", "TranslateX", "TranslateY", "Rotate"]


def chw(pixels: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(pixels).movedim(-1, -3)


def hwc(tensor: torch.Tensor) -> np.ndarray:
    return tensor.movedim(-3, -1).numpy().astype(np.float32)


def policy(image: torch.Tensor, name: str, magnitude: float) -> torch.Tensor:
    """One operation; pixels that see anything outside of the image become NaN."""
    out = autoaugment._apply_op(image, name, magnitude, BILINEAR, None)
    if name in GEOMETRIC:
        seen = autoaugment._apply_op(torch.ones_like(image), name, magnitude, BILINEAR, None)
        out = torch.where(seen > 1 - 1e-4, out, torch.nan)
    return out


def crops(image: torch.Tensor) -> dict[str, np.ndarray]:
    out = {}
    for top, left, height, width in [(0, 0, HEIGHT, WIDTH), (3, 5, 9, 11), (6, 0, 4, 20)]:
        name = f"resized_crop/{top},{left},{height},{width}"
        out[name] = hwc(functional.resized_crop(image, top, left, height, width, [HEIGHT, WIDTH], BILINEAR, antialias=False))
    return out


def batches(rng: np.random.Generator) -> dict[str, np.ndarray]:
    """MixUp and CutMix with their share and box taken from the transform's own draw."""
    batch = rng.integers(0, 256, (5, 8, 11, 3)).astype(np.float32)
    labels = torch.tensor([0, 1, 2, 0, 2])
    arrays = {"batch": batch, "labels": np.eye(3, dtype=np.float32)[labels.numpy()]}
    for name, transform in [("mixup", v2.MixUp(num_classes=3)), ("cutmix", v2.CutMix(num_classes=3))]:
        for number in range(4):
            torch.manual_seed(SEED + number)
            parameters = transform.make_params([chw(batch)])
            torch.manual_seed(SEED + number)
            images, mixed = transform(chw(batch), labels)
            # CutMix's box is [left, top, right, bottom].
            drawn = [parameters["lam"]] if name == "mixup" else parameters["box"]
            arrays[f"{name}/{number}/drawn"] = np.array(drawn, dtype=np.float64)
            arrays[f"{name}/{number}/images"] = hwc(images)
            arrays[f"{name}/{number}/labels"] = mixed.numpy().astype(np.float32)
    return arrays


def main() -> None:
    rng = np.random.default_rng(SEED)
    pixels = rng.integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    pixels[4:9, 3:12] = pixels[4:9, 3:4]
    pixels[10:14, 5:9] = np.array([90, 90, 90])
    # A narrow range, so that stretching contrast changes something.
    pixels[..., 2] = 40 + pixels[..., 2] // 2
    bytes_, image = chw(pixels), chw(pixels.astype(np.float32) / 255)
    arrays = {"source": pixels}
    for name, strengths in FLOAT_OPS.items():
        for strength in strengths:
            arrays[f"{name}/{strength}"] = hwc(getattr(functional_v1, name)(image, strength)) * 255
    arrays["rgb_to_grayscale/3"] = hwc(functional_v1.rgb_to_grayscale(image, 3)) * 255
    for sigma in [0.3, 1.0, 1.9]:
        kernel = 2 * int(np.ceil(3 * sigma)) + 1
        arrays[f"gaussian_blur/{sigma}"] = hwc(functional_v1.gaussian_blur(image, [kernel, kernel], [sigma, sigma])) * 255
    for name, magnitudes in POLICY.items():
        for magnitude in magnitudes:
            arrays[f"policy/{name}/{magnitude}"] = hwc(policy(image, name, magnitude)) * 255
    for bits in [0, 2, 4, 8]:
        arrays[f"policy/Posterize/{bits}"] = hwc(autoaugment._apply_op(bytes_, "Posterize", bits, BILINEAR, None))
    # Equalizing changes nothing unless there are at least 255 pixels below the brightest tone.
    arrays["policy/Equalize/0"] = hwc(autoaugment._apply_op(bytes_, "Equalize", 0, BILINEAR, None))
    arrays["erase/2,3,5,7"] = hwc(functional_v1.erase(image, 2, 3, 5, 7, torch.tensor(0.0))) * 255
    arrays |= {name: values * 255 for name, values in crops(image).items()}
    arrays |= batches(rng)
    for space in [autoaugment.RandAugment(), autoaugment.TrivialAugmentWide()]:
        name = type(space).__name__
        table = space._augmentation_space(31, (100, 331)) if name == "RandAugment" else space._augmentation_space(31)
        for op, (magnitudes, _) in table.items():
            arrays[f"strengths/{name}/{op}"] = magnitudes.double().numpy().reshape(-1)
    write_golden("data/augment_torchvision", arrays, SEED, ["numpy", "torch", "torchvision"])


if __name__ == "__main__":
    main()
