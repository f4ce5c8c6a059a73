"""The Python peers, each at the settings that suit it best for one machine of few cores.

An engine is opened with a folder that `bench_peer export` wrote and `peers.py` added `model.onnx` and `images.f32` to. `run(batch)`
gives the features of that many images as an array.
"""

from pathlib import Path

import numpy as np

IMAGES = 8


def onnx_images(folder):
    """`[8, 3, side, side]`"""
    images = np.fromfile(Path(folder) / "images.f32", np.float32)
    side = round((images.size / IMAGES / 3) ** 0.5)
    return images.reshape(IMAGES, 3, side, side)


class OnnxRuntime:
    """All optimisations, which is the default; operators one after another."""

    def __init__(self, folder, threads, precision):
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
        model, providers = str(Path(folder) / "model.onnx"), ["CPUExecutionProvider"]
        self.session = onnxruntime.InferenceSession(model, options, providers=providers)
        self.images = onnx_images(folder)

    def run(self, batch):
        return self.session.run(None, {"images": self.images[:batch]})[0]


class OpenVino:
    """Latency hint; a model of its own for each batch, since fixed shapes are faster."""

    def __init__(self, folder, threads, precision):
        import openvino

        self.core, self.model = openvino.Core(), Path(folder) / "model.onnx"
        self.settings = {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_NUM_THREADS": threads,
            "INFERENCE_PRECISION_HINT": precision,
        }
        self.images, self.requests = onnx_images(folder), {}

    def run(self, batch):
        if batch not in self.requests:
            model = self.core.read_model(self.model)
            model.reshape([batch, *self.images.shape[1:]])
            compiled = self.core.compile_model(model, "CPU", self.settings)
            self.requests[batch] = compiled.create_infer_request()
        return self.requests[batch].infer([self.images[:batch]], share_inputs=True)[0]


class Torch:
    """Channels last and inference mode; traced, frozen and optimised where that knows the types."""

    def __init__(self, folder, threads, precision):
        import torch

        from peers.network import Network
        from peers.to_torch import torch_module

        torch.set_num_threads(threads)
        self.torch, self.bf16 = torch, precision == "bf16"
        images = torch.from_numpy(onnx_images(folder))
        self.images = images.contiguous(memory_format=torch.channels_last)
        self.module = torch_module(Network(folder))
        if not self.bf16:
            with torch.inference_mode():
                traced = torch.jit.freeze(torch.jit.trace(self.module, self.images[:1]))
                self.module = torch.jit.optimize_for_inference(traced)

    def run(self, batch):
        autocast = self.torch.autocast("cpu", self.torch.bfloat16, enabled=self.bf16, cache_enabled=False)
        with self.torch.inference_mode(), autocast:
            return self.module(self.images[:batch]).float().numpy()


class Keras:
    """A compiled call; a batch of 64 goes through `predict` in batches of 32, which is how people use it."""

    def __init__(self, folder, threads, precision):
        import tensorflow

        tensorflow.config.threading.set_intra_op_parallelism_threads(threads)
        tensorflow.config.threading.set_inter_op_parallelism_threads(1)

        from peers.network import Network
        from peers.to_keras import keras_model

        self.model = keras_model(Network(folder))
        self.call = tensorflow.function(lambda images: self.model(images, training=False))
        images = np.ascontiguousarray(onnx_images(folder).transpose(0, 2, 3, 1))
        self.batches = {batch: tensorflow.constant(images[:batch]) for batch in (1, IMAGES)}
        self.many = np.tile(images, (8, 1, 1, 1))

    def run(self, batch):
        if batch > IMAGES:
            return self.model.predict(self.many[:batch], batch_size=32, verbose=0)
        return self.call(self.batches[batch]).numpy()


ENGINES = {"onnxruntime": OnnxRuntime, "openvino": OpenVino, "torch": Torch, "keras": Keras}
