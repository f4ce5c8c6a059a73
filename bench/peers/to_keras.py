"""A network as a functional Keras model, `[batch, height, width, channels]`, as `keras.applications` would build it."""

import keras
from keras import layers

PADDED = ("conv2d", "depthwise_conv2d", "max_pool2d")


def keras_model(network):
    """The model, with its weights."""
    return Builder(network).model()


class LayerScale(layers.Layer):
    """A factor per channel."""

    def build(self, shape):
        self.gamma = self.add_weight(shape=(shape[-1],), name="gamma")

    def call(self, x):
        return x * self.gamma


class Builder:
    def __init__(self, network):
        self.network = network
        self.values = {network.input: keras.Input(network.nodes[network.input].shape)}

    def model(self):
        for node in self.network.nodes.values():
            if node.kind != "input":
                self.values[node.name] = getattr(self, node.kind)(node)
        return keras.Model(self.values[self.network.input], self.values[self.network.output])

    def apply(self, node, layer, roles=()):
        """The layer's value; its weights are those of `roles` that the node has, which is Keras' order."""
        x = self.padded(node) if node.kind in PADDED else self.values[node.inputs[0]]
        value = layer(x)
        if roles:
            layer.set_weights([node.weights[role] for role in roles if role in node.weights])
        return value

    def padded(self, node):
        """The input with the padding that the layer itself does not have."""
        x, (top, left, bottom, right) = self.values[node.inputs[0]], node.settings["pads"]
        if node.settings["padding"] == "same" or not any(node.settings["pads"]):
            return x
        return layers.ZeroPadding2D(((top, bottom), (left, right)))(x)

    def conv2d(self, node):
        settings = {name: node.settings[name] for name in ("strides", "padding")}
        bias = "bias" in node.weights
        layer = layers.Conv2D(node.settings["filters"], node.settings["kernel"], use_bias=bias, **settings)
        return self.apply(node, layer, ("kernel", "bias"))

    def depthwise_conv2d(self, node):
        settings = {name: node.settings[name] for name in ("strides", "padding")}
        layer = layers.DepthwiseConv2D(node.settings["kernel"], use_bias="bias" in node.weights, **settings)
        return self.apply(node, layer, ("kernel", "bias"))

    def dense(self, node):
        layer = layers.Dense(node.settings["units"], use_bias="bias" in node.weights)
        return self.apply(node, layer, ("kernel", "bias"))

    def batch_norm(self, node):
        settings = {name: node.settings[name] for name in ("epsilon", "scale", "center")}
        layer = layers.BatchNormalization(**settings)
        return self.apply(node, layer, ("gamma", "beta", "moving_mean", "moving_variance"))

    def layer_norm(self, node):
        return self.apply(node, layers.LayerNormalization(epsilon=node.settings["epsilon"]), ("gamma", "beta"))

    def layer_scale(self, node):
        return self.apply(node, LayerScale(), ("gamma",))

    def activation(self, node):
        return self.apply(node, layers.Activation(node.settings["function"]))

    def zero_padding2d(self, node):
        top, left, bottom, right = (node.settings[side] for side in ("top", "left", "bottom", "right"))
        return self.apply(node, layers.ZeroPadding2D(((top, bottom), (left, right))))

    def max_pool2d(self, node):
        return self.apply(node, layers.MaxPooling2D(*window(node)))

    def average_pool2d(self, node):
        return self.apply(node, layers.AveragePooling2D(*window(node)))

    def global_average_pool2d(self, node):
        return self.apply(node, layers.GlobalAveragePooling2D(keepdims=node.settings.get("keep_pixel", False)))

    def add(self, node):
        return layers.Add()([self.values[name] for name in node.inputs])

    def multiply(self, node):
        return layers.Multiply()([self.values[name] for name in node.inputs])

    def concatenate(self, node):
        return layers.Concatenate()([self.values[name] for name in node.inputs])


def window(node):
    return tuple(node.settings[name] for name in ("window", "strides", "padding"))
