"""Folders with a network in every form that a side reads."""

import subprocess

import numpy as np

from peers.network import Network
from peers.side import BENCH
from peers.to_onnx import onnx_model

FOLDERS = BENCH / ".networks"


def export(program, name):
    """The folder of the network `name`, written anew when `program` is newer."""
    folder = FOLDERS / name
    model = folder / "model.onnx"
    if not model.exists() or model.stat().st_mtime < program.stat().st_mtime:
        subprocess.run([program, "export", name, folder], check=True)
        network = Network(folder)
        np.ascontiguousarray(network.images.transpose(0, 3, 1, 2), np.float32).tofile(folder / "images.f32")
        model.write_bytes(onnx_model(network).SerializeToString())
    return folder
