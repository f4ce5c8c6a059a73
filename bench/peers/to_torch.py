"""A network as a PyTorch module: straight code by `torch.fx`, channels last in memory."""

import operator

import torch
from torch import fx, nn
from torch.nn import functional as F

FUNCTIONS = {
    "relu": nn.ReLU,
    "relu6": nn.ReLU6,
    "sigmoid": nn.Sigmoid,
    "silu": nn.SiLU,
    "gelu": nn.GELU,
}


def torch_module(network):
    """The module, from `[batch, channels, height, width]` in channels-last memory to `[batch, features]`."""
    return Builder(network).module()


class Scale(nn.Module):
    """A factor per channel, the innermost dimension."""

    def __init__(self, gamma):
        super().__init__()
        self.gamma = nn.Parameter(gamma)

    def forward(self, x):
        return x * self.gamma


class Builder:
    def __init__(self, network):
        self.network, self.graph, self.root = network, fx.Graph(), nn.Module()
        # What stands for each value, with the channels first or last in its shape; in memory they are last in both.
        self.first, self.last = {network.input: self.graph.placeholder("images")}, {}

    def module(self):
        for node in self.network.nodes.values():
            if node.kind != "input":
                getattr(self, node.kind)(node)
        self.graph.output(self.channels_first(self.network.output))
        return fx.GraphModule(self.root, self.graph).eval().to(memory_format=torch.channels_last)

    def is_map(self, name):
        return len(self.network.nodes[name].shape) == 3

    def channels_first(self, name):
        if name not in self.first:
            self.first[name] = self.graph.call_method("permute", (self.last[name], 0, 3, 1, 2))
        return self.first[name]

    def channels_last(self, name):
        if not self.is_map(name):
            return self.first[name]
        if name not in self.last:
            self.last[name] = self.graph.call_method("permute", (self.first[name], 0, 2, 3, 1))
        return self.last[name]

    def keep(self, node, value, last=False):
        (self.last if last and self.is_map(node.name) else self.first)[node.name] = value

    def layer(self, node, module, x):
        name = f"layer{len(self.graph.nodes)}"
        self.root.add_module(name, module)
        return self.graph.call_module(name, (x,))

    def padded(self, node):
        """The input with the padding that a layer cannot have, which is that with unequal sides; and the layer's."""
        x, (top, left, bottom, right) = self.channels_first(node.inputs[0]), node.settings["pads"]
        if (top, left) == (bottom, right):
            return x, (top, left)
        fill = float("-inf") if node.kind == "max_pool2d" else 0.0
        return self.graph.call_function(F.pad, (x, (left, right, top, bottom)), {"value": fill}), (0, 0)

    def conv2d(self, node):
        self.convolve(node, node.weights["kernel"].transpose(3, 2, 0, 1), 1)

    def depthwise_conv2d(self, node):
        kernel = node.weights["kernel"].transpose(2, 3, 0, 1)
        self.convolve(node, kernel, len(kernel))

    def convolve(self, node, kernel, groups):
        x, padding = self.padded(node)
        (filters, channels), window = kernel.shape[:2], kernel.shape[2:]
        settings = {"stride": node.settings["strides"], "padding": padding, "groups": groups}
        module = nn.Conv2d(channels * groups, filters, window, bias="bias" in node.weights, **settings)
        copy(module.weight, kernel)
        if "bias" in node.weights:
            copy(module.bias, node.weights["bias"])
        self.keep(node, self.layer(node, module, x))

    def dense(self, node):
        kernel = node.weights["kernel"]
        module = nn.Linear(*kernel.shape, bias="bias" in node.weights)
        copy(module.weight, kernel.T)
        if "bias" in node.weights:
            copy(module.bias, node.weights["bias"])
        self.keep(node, self.layer(node, module, self.channels_last(node.inputs[0])), last=True)

    def batch_norm(self, node):
        module = nn.BatchNorm2d(node.shape[-1], eps=node.settings["epsilon"])
        places = {"gamma": module.weight, "beta": module.bias}
        places |= {"moving_mean": module.running_mean, "moving_variance": module.running_var}
        for role, values in node.weights.items():
            copy(places[role], values)
        self.keep(node, self.layer(node, module, self.channels_first(node.inputs[0])))

    def layer_norm(self, node):
        module = nn.LayerNorm(node.shape[-1], eps=node.settings["epsilon"])
        copy(module.weight, node.weights["gamma"])
        copy(module.bias, node.weights["beta"])
        self.keep(node, self.layer(node, module, self.channels_last(node.inputs[0])), last=True)

    def layer_scale(self, node):
        module = Scale(torch.from_numpy(node.weights["gamma"].copy()))
        self.keep(node, self.layer(node, module, self.channels_last(node.inputs[0])), last=True)

    def activation(self, node):
        name = node.inputs[0]
        last = name not in self.first
        x = self.last[name] if last else self.first[name]
        self.keep(node, self.layer(node, FUNCTIONS[node.settings["function"]](), x), last)

    def zero_padding2d(self, node):
        top, left, bottom, right = (node.settings[side] for side in ("top", "left", "bottom", "right"))
        padding = (self.channels_first(node.inputs[0]), (left, right, top, bottom))
        self.keep(node, self.graph.call_function(F.pad, padding))

    def max_pool2d(self, node):
        self.pool(node, nn.MaxPool2d)

    def average_pool2d(self, node):
        self.pool(node, nn.AvgPool2d, count_include_pad=False)

    def pool(self, node, kind, **settings):
        x, padding = self.padded(node)
        module = kind(node.settings["window"], node.settings["strides"], padding, **settings)
        self.keep(node, self.layer(node, module, x))

    def global_average_pool2d(self, node):
        keep = node.settings.get("keep_pixel", False)
        x = self.channels_first(node.inputs[0])
        self.keep(node, self.graph.call_method("mean", (x, (2, 3)), {"keepdim": keep}))

    def pair(self, node, function):
        last = all(name not in self.first for name in node.inputs)
        form = self.channels_last if last else self.channels_first
        self.keep(node, self.graph.call_function(function, tuple(map(form, node.inputs))), last)

    def add(self, node):
        self.pair(node, operator.add)

    def multiply(self, node):
        self.pair(node, operator.mul)

    def concatenate(self, node):
        values = [self.channels_first(name) for name in node.inputs]
        self.keep(node, self.graph.call_function(torch.cat, (values, 1)))


def copy(parameter, values):
    parameter.data.copy_(torch.from_numpy(values.copy()))
