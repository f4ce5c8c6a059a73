"""Writes golden files: named arrays made by a real, pinned library, with a manifest that says how.

A golden is `golden/NAME.safetensors`, or a file in another format that is itself what is tested. Its folder's
MANIFEST.json records, per file, the script, the seed, the versions of everything that took part, and the sha256 that
`cargo xtask tidy` checks.
"""

import hashlib
import importlib.metadata
import json
import pathlib
import platform
import sys

import numpy as np
from safetensors.numpy import save

ROOT = pathlib.Path(__file__).resolve().parent.parent
GOLDEN = ROOT / "golden"


def write_golden(name: str, arrays: dict[str, np.ndarray], seed: int, packages: list[str]) -> None:
    """Writes `golden/<name>.safetensors` and its manifest entry; `packages` are the PyPI names that decided it."""
    data = save({key: np.asarray(arrays[key], order="C") for key in sorted(arrays)})
    write_golden_file(f"{name}.safetensors", data, seed, packages)


def write_golden_file(name: str, data: bytes, seed: int, packages: list[str]) -> None:
    """Writes `golden/<name>`, a file in a format of its own, and its manifest entry, as `write_golden` does."""
    path = GOLDEN / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    manifest_path = path.parent / "MANIFEST.json"
    manifest = json.loads(manifest_path.read_text()) if manifest_path.exists() else {}
    manifest[path.name] = {
        "script": pathlib.Path(sys.argv[0]).name,
        "seed": seed,
        "sha256": hashlib.sha256(data).hexdigest(),
        "versions": {"python": platform.python_version()}
        | {package: importlib.metadata.version(package) for package in sorted(packages)},
    }
    manifest_path.write_text(json.dumps(manifest, indent=2, sort_keys=True) + "\n")
