"""What a run needs: a virtual environment with the pinned peers, our example and the Rust peers, built on first use."""

import importlib.metadata
import importlib.util
import os
import subprocess
import sys
import venv
from pathlib import Path

from peers.side import BENCH, PYTHON_PEERS, REPOSITORY, RUST_PEERS

VENV = BENCH / ".venv-peers"
REQUIREMENTS = BENCH / "peers/requirements"


def enter_venv():
    """Continues under the environment's own interpreter, made on first use. A peer that cannot be had is left out."""
    if Path(sys.prefix) == VENV:
        return
    python = VENV / "bin/python"
    if not python.exists():
        venv.create(VENV, with_pip=True)
        for peer in PYTHON_PEERS:
            # ONNX Runtime brings what the converters need.
            needed = peer == "onnxruntime"
            subprocess.run([python, "-m", "pip", "install", "-q", "-r", REQUIREMENTS / f"{peer}.txt"], check=needed)
    os.execv(python, [str(python), *sys.argv])


def build_ours():
    command = ["cargo", "build", "--release", "-q", "-p", "engraft", "--example", "bench_peer"]
    subprocess.run(command, cwd=REPOSITORY, check=True)
    return REPOSITORY / "target/release/examples/bench_peer"


def available(peers):
    """Those of `peers` that can be run here; says which cannot."""
    found = [peer for peer in peers if has(peer)]
    for peer in set(peers) - set(found):
        print(f"{peer} is left out: it could not be installed or built here")
    return found


def has(peer):
    if peer in RUST_PEERS:
        command = ["cargo", "build", "--release", "-q", "--bin", peer]
        return subprocess.run(command, cwd=BENCH / "rust_peers").returncode == 0
    modules = ("keras", "tensorflow") if peer == "keras" else (peer,)
    return all(importlib.util.find_spec(module) for module in modules)


def version(peer):
    """The release of a peer, as its package says."""
    if peer in RUST_PEERS:
        name = {"tract": "tract-onnx"}.get(peer, peer)
        lock = (BENCH / "rust_peers/Cargo.lock").read_text()
        return lock.split(f'name = "{name}"\nversion = "')[1].split('"')[0]
    return importlib.metadata.version(peer)
