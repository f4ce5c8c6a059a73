"""A program that answers timing requests: ours or a peer, in a process of its own."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

BENCH = Path(__file__).resolve().parent.parent
REPOSITORY = BENCH.parent
OURS = "engraft"
PYTHON_PEERS = ("onnxruntime", "openvino", "torch", "keras")
RUST_PEERS = ("rten", "tract")
PEERS = PYTHON_PEERS + RUST_PEERS
# What holds peers to an instruction set: oneDNN, within OpenVINO, PyTorch and Keras, and PyTorch's own kernels. ONNX Runtime and the
# Rust engines take the best there is.
PEERS_HELD_TO = {"avx2": {"ONEDNN_MAX_CPU_ISA": "AVX2", "ATEN_CPU_CAPABILITY": "avx2"}}

# ONNX Runtime gains by huge pages, for which ours asks Linux, and it does not: its allocator does (from glibc 2.35 on).
PEERS_AT_THEIR_BEST = {"onnxruntime": {"GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"}}


class Side:
    """A started program; `start_s` is the time from its start to the end of its first run."""

    def __init__(self, name, folder, threads, first_batch, precision, isa):
        self.name = name
        arguments = [str(folder), str(threads), str(first_batch)]
        environment = os.environ | {
            "OMP_NUM_THREADS": str(threads),
            "TF_CPP_MIN_LOG_LEVEL": "3",
            "CUDA_VISIBLE_DEVICES": "",
            "ENGRAFT_ISA": isa,
        } | PEERS_HELD_TO.get(isa, {}) | PEERS_AT_THEIR_BEST.get(name, {})
        self.errors = tempfile.TemporaryFile("w+")
        start = time.perf_counter()
        self.process = subprocess.Popen(
            command(name, arguments, precision),
            cwd=BENCH,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            text=True,
        )
        ready = self.process.stdout.readline()
        self.start_s = time.perf_counter() - start
        if ready != "ready\n":
            raise self.failure()

    def ask(self, request):
        self.process.send_signal(signal.SIGCONT)
        self.process.stdin.write(f"{request}\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            raise self.failure()
        return [float(number) for number in answer.split()]

    def turn(self, batch, milliseconds):
        """Seconds of each run that fits into the time. Then the program stands still: threads that wait for work by turning in a
        loop, or go on with some, would take the next one's processors."""
        seconds = self.ask(f"{batch} {milliseconds}")
        self.process.send_signal(signal.SIGSTOP)
        return seconds

    def features(self):
        return self.ask("features")

    def peak_mb(self):
        """The largest resident memory so far, in MB."""
        status = Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        return int(next(line for line in status if line.startswith("VmHWM")).split()[1]) / 1024

    def failure(self):
        self.process.communicate()
        self.errors.seek(0)
        lines = self.errors.read().strip().splitlines()
        return SideFailed(f"{self.name}: {lines[-1] if lines else 'ended without a word'}")

    def close(self):
        self.process.send_signal(signal.SIGCONT)
        self.process.communicate()
        self.errors.close()


class SideFailed(Exception):
    """A program ended instead of answering."""


def command(name, arguments, precision):
    if name == OURS:
        return [REPOSITORY / "target/release/examples/bench_peer", "serve", *arguments, precision]
    if name in RUST_PEERS:
        return [BENCH / "rust_peers/target/release" / name, *arguments]
    return [sys.executable, "-m", "peers.serve", name, *arguments, precision]
