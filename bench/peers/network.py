"""A network as `bench_peer export` writes it, made ready to be built in another library.

Three things are brought into the form that every peer likes best: preprocessing is done beforehand, so that peers begin with
floats; what does nothing when a network is frozen is gone; padding that stands alone joins the window that follows it.
"""

import json
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

IMAGES = 8
PREPROCESSING = ("rescale", "reverse_channels", "normalization")
NOTHING_WHEN_FROZEN = ("dropout", "stochastic_depth")


@dataclass
class Node:
    """One operation: `kind` is the operation's name, `settings` its fields, `shape` what it makes of one image."""

    name: str
    kind: str
    settings: dict
    inputs: list
    shape: list
    weights: dict = field(default_factory=dict)
    """By role, `kernel` or `gamma`, in Keras' shapes."""


class Network:
    """Nodes by name in an order in which they can run; `output` names the last."""

    def __init__(self, folder):
        folder = Path(folder)
        document = json.loads((folder / "graph.json").read_text())
        names = [node["name"] for node in document["nodes"]]
        self.nodes = {node["name"]: read_node(node, names) for node in document["nodes"]}
        self.output = names[document["output"]]
        self.input = names[0]
        self.bind_weights(folder / "weights.safetensors")
        self.images = self.preprocess(folder / "images.u8")
        for node in [node for node in self.nodes.values() if node.kind in NOTHING_WHEN_FROZEN]:
            self.remove(node)
        self.join_padding()
        self.join_reshapes()

    def consumers(self, name):
        return [node for node in self.nodes.values() if name in node.inputs]

    def remove(self, node):
        """Takes out a node with one input; whatever read it reads that input."""
        for consumer in self.consumers(node.name):
            consumer.inputs = [node.inputs[0] if name == node.name else name for name in consumer.inputs]
        if self.output == node.name:
            self.output = node.inputs[0]
        del self.nodes[node.name]

    def bind_weights(self, path):
        from safetensors.numpy import load_file

        for name, tensor in load_file(path).items():
            node, role = name.rsplit("/", 1)
            self.nodes[node].weights[role] = tensor

    def preprocess(self, path):
        """The images as floats after the first nodes, `[8, height, width, 3]`; those nodes are gone then."""
        images = np.fromfile(path, np.uint8).reshape(IMAGES, *self.nodes[self.input].shape).astype(np.float32)
        while True:
            first = self.consumers(self.input)
            if len(first) != 1 or first[0].kind not in PREPROCESSING:
                return np.ascontiguousarray(images)
            images = preprocessed(images, first[0])
            self.remove(first[0])

    def join_padding(self):
        """Gives every window its padding as `pads`: rows above, columns left, rows below, columns right."""
        for node in list(self.nodes.values()):
            if node.kind in ("conv2d", "depthwise_conv2d", "max_pool2d", "average_pool2d"):
                node.settings["pads"] = self.own_pads(node)
                self.take_pads(node)

    def own_pads(self, node):
        if node.settings["padding"] == "valid":
            return [0, 0, 0, 0]
        window = node.settings.get("kernel") or node.settings["window"]
        sizes = zip(self.nodes[node.inputs[0]].shape, node.shape, window, node.settings["strides"])
        totals = [max((out - 1) * stride + taps - size, 0) for size, out, taps, stride in sizes]
        return [total // 2 for total in totals] + [total - total // 2 for total in totals]

    def take_pads(self, node):
        before = self.nodes[node.inputs[0]]
        alone = before.kind == "zero_padding2d" and len(self.consumers(before.name)) == 1
        # Zeros never win a maximum over values that are not negative.
        harmless = node.kind.endswith("conv2d") or (node.kind == "max_pool2d" and self.is_relu(before.inputs))
        if alone and harmless and node.settings["padding"] == "valid":
            node.settings["pads"] = [before.settings[side] for side in ("top", "left", "bottom", "right")]
            self.remove(before)

    def is_relu(self, inputs):
        return bool(inputs) and self.nodes[inputs[0]].settings.get("function") in ("relu", "relu6")

    def join_reshapes(self):
        """A global pool whose vector becomes a map of one pixel keeps that pixel instead."""
        for node in list(self.nodes.values()):
            before = self.nodes[node.inputs[0]] if node.inputs else None
            if node.kind == "reshape" and before.kind == "global_average_pool2d":
                before.settings["keep_pixel"] = True
                before.shape = node.shape
                self.remove(node)


def read_node(document, names):
    op = document["op"]
    kind, settings = (op, {}) if isinstance(op, str) else next(iter(op.items()))
    settings = settings if isinstance(settings, dict) else {"function": settings}
    return Node(document["name"], kind, settings, [names[i] for i in document["inputs"]], document["shape"])


def preprocessed(images, node):
    if node.kind == "reverse_channels":
        return images[..., ::-1]
    if node.kind == "rescale":
        scale, offset = (np.array(node.settings[name], np.float32) for name in ("scale", "offset"))
        return images * scale + offset
    deviation = np.maximum(np.sqrt(node.weights["variance"]), 1e-7)
    return (images - node.weights["mean"]) / deviation
