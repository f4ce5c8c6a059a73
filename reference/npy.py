"""Writes golden/formats/npy: arrays, and the bytes of the files that NumPy makes of them."""

import io

import numpy as np

from common import write_golden

SEED = 7


def file_bytes(array: np.ndarray, version: tuple[int, int] | None = None) -> np.ndarray:
    """The `.npy` file of `array` as an array of bytes."""
    file = io.BytesIO()
    np.lib.format.write_array(file, array, version=version, allow_pickle=True)
    return np.frombuffer(file.getvalue(), dtype=np.uint8)


def main() -> None:
    random = np.random.default_rng(SEED)
    images = random.integers(0, 256, size=(2, 3, 4, 3), dtype=np.uint8)
    matrix = random.standard_normal((5, 7)).astype(np.float32)
    arrays = {
        "images": images,
        "matrix": matrix,
        "images.npy": file_bytes(images),
        "matrix.npy": file_bytes(matrix),
        "matrix_version_2.npy": file_bytes(matrix, (2, 0)),
        "matrix_version_3.npy": file_bytes(matrix, (3, 0)),
        "vector.npy": file_bytes(np.array([0.5], dtype=np.float32)),
        "scalar.npy": file_bytes(np.float32(2.5)),
        "empty.npy": file_bytes(np.zeros((0, 4), dtype=np.float32)),
        "f8.npy": file_bytes(matrix.astype(np.float64)),
        "big_endian.npy": file_bytes(matrix.astype(">f4")),
        "structured.npy": file_bytes(np.zeros(3, dtype=[("a", "<f4")])),
        "object.npy": file_bytes(np.array([None, 1], dtype=object)),
        "fortran.npy": file_bytes(np.asfortranarray(matrix)),
    }
    write_golden("formats/npy", arrays, SEED, ["numpy", "safetensors"])


if __name__ == "__main__":
    main()
