"""A network as an ONNX model: `[batch, channels, height, width]`, normalisations left to the peer to fold."""

import math

import numpy as np
from onnx import TensorProto, helper, numpy_helper

NCHW_FROM_NHWC, NHWC_FROM_NCHW = [0, 3, 1, 2], [0, 2, 3, 1]


def onnx_model(network):
    """The model; its input is called `images`, its batch may have any size."""
    return Builder(network).model()


class Builder:
    def __init__(self, network):
        self.network, self.nodes, self.tensors = network, [], []
        # What stands for each value, with the channels first or, around dense layers of maps, last.
        self.first, self.last = {network.input: "images"}, {}

    def model(self):
        for node in self.network.nodes.values():
            if node.kind != "input":
                getattr(self, node.kind)(node)
        height, width, channels = self.network.nodes[self.network.input].shape
        images = helper.make_tensor_value_info("images", TensorProto.FLOAT, ["batch", channels, height, width])
        features = self.network.nodes[self.network.output].shape
        output = helper.make_tensor_value_info(
            self.channels_first(self.network.output), TensorProto.FLOAT, ["batch", *features]
        )
        graph = helper.make_graph(self.nodes, "network", [images], [output], self.tensors)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)

    def emit(self, op, inputs, **attributes):
        output = f"value{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, inputs, [output], **attributes))
        return output

    def tensor(self, array):
        name = f"tensor{len(self.tensors)}"
        self.tensors.append(numpy_helper.from_array(np.ascontiguousarray(array, np.float32), name))
        return name

    def is_map(self, name):
        return len(self.network.nodes[name].shape) == 3

    def channels_first(self, name):
        if name not in self.first:
            self.first[name] = self.emit("Transpose", [self.last[name]], perm=NCHW_FROM_NHWC)
        return self.first[name]

    def channels_last(self, name):
        """With the channels last; a vector has nothing but channels."""
        if not self.is_map(name):
            return self.first[name]
        if name not in self.last:
            self.last[name] = self.emit("Transpose", [self.first[name]], perm=NHWC_FROM_NCHW)
        return self.last[name]

    def keep(self, node, value, last=False):
        (self.last if last and self.is_map(node.name) else self.first)[node.name] = value

    def elementwise(self, node, compute):
        """`compute` on whatever form the input has."""
        name = node.inputs[0]
        last = name not in self.first
        self.keep(node, compute(self.last[name] if last else self.first[name]), last)

    def conv2d(self, node):
        self.convolve(node, np.transpose(node.weights["kernel"], (3, 2, 0, 1)), 1)

    def depthwise_conv2d(self, node):
        kernel = node.weights["kernel"]
        self.convolve(node, np.transpose(kernel, (2, 3, 0, 1)), kernel.shape[2])

    def convolve(self, node, kernel, group):
        inputs = [self.channels_first(node.inputs[0]), self.tensor(kernel)]
        if "bias" in node.weights:
            inputs.append(self.tensor(node.weights["bias"]))
        window = {"strides": node.settings["strides"], "pads": node.settings["pads"]}
        self.keep(node, self.emit("Conv", inputs, group=group, kernel_shape=kernel.shape[2:], **window))

    def dense(self, node):
        value = self.emit("MatMul", [self.channels_last(node.inputs[0]), self.tensor(node.weights["kernel"])])
        if "bias" in node.weights:
            value = self.emit("Add", [value, self.tensor(node.weights["bias"])])
        self.keep(node, value, last=True)

    def batch_norm(self, node):
        mean = node.weights["moving_mean"]
        values = [node.weights.get("gamma", np.ones_like(mean)), node.weights.get("beta", np.zeros_like(mean))]
        values += [mean, node.weights["moving_variance"]]
        inputs = [self.channels_first(node.inputs[0]), *map(self.tensor, values)]
        self.keep(node, self.emit("BatchNormalization", inputs, epsilon=node.settings["epsilon"]))

    def layer_norm(self, node):
        scales = [self.tensor(node.weights[role]) for role in ("gamma", "beta")]
        inputs = [self.channels_last(node.inputs[0]), *scales]
        value = self.emit("LayerNormalization", inputs, axis=-1, epsilon=node.settings["epsilon"])
        self.keep(node, value, last=True)

    def layer_scale(self, node):
        value = self.emit("Mul", [self.channels_last(node.inputs[0]), self.tensor(node.weights["gamma"])])
        self.keep(node, value, last=True)

    def activation(self, node):
        self.elementwise(node, getattr(self, node.settings["function"]))

    def relu(self, x):
        return self.emit("Relu", [x])

    def relu6(self, x):
        return self.emit("Clip", [x, self.tensor(0), self.tensor(6)])

    def sigmoid(self, x):
        return self.emit("Sigmoid", [x])

    def silu(self, x):
        return self.emit("Mul", [x, self.sigmoid(x)])

    def gelu(self, x):
        # Spelled out as exporters do; peers know the pattern.
        error = self.emit("Erf", [self.emit("Div", [x, self.tensor(math.sqrt(2))])])
        product = self.emit("Mul", [x, self.emit("Add", [error, self.tensor(1)])])
        return self.emit("Mul", [product, self.tensor(0.5)])

    def zero_padding2d(self, node):
        top, left, bottom, right = (node.settings[side] for side in ("top", "left", "bottom", "right"))
        pads = numpy_helper.from_array(np.array([0, 0, top, left, 0, 0, bottom, right]), f"pads{len(self.nodes)}")
        self.tensors.append(pads)
        self.keep(node, self.emit("Pad", [self.channels_first(node.inputs[0]), pads.name]))

    def max_pool2d(self, node):
        self.pool(node, "MaxPool")

    def average_pool2d(self, node):
        self.pool(node, "AveragePool", count_include_pad=0)

    def pool(self, node, op, **attributes):
        window = {name: node.settings[name] for name in ("strides", "pads")}
        inputs = [self.channels_first(node.inputs[0])]
        self.keep(node, self.emit(op, inputs, kernel_shape=node.settings["window"], **window, **attributes))

    def global_average_pool2d(self, node):
        value = self.emit("GlobalAveragePool", [self.channels_first(node.inputs[0])])
        self.keep(node, value if node.settings.get("keep_pixel") else self.emit("Flatten", [value]))

    def pair(self, node, op):
        last = all(name not in self.first for name in node.inputs)
        form = self.channels_last if last else self.channels_first
        self.keep(node, self.emit(op, [form(name) for name in node.inputs]), last)

    def add(self, node):
        self.pair(node, "Add")

    def multiply(self, node):
        self.pair(node, "Mul")

    def concatenate(self, node):
        self.keep(node, self.emit("Concat", [self.channels_first(name) for name in node.inputs], axis=1))
