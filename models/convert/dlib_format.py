"""Reads dlib_face_recognition_resnet_model_v1.dat.

dlib's serialisation does not describe itself: what comes next follows from the C++ type of the
network, so the layers of dlib's `anet_type` (dnn_face_recognition_ex.cpp) are spelt out here and
every name in the file is checked against them. The file must end where the last layer does.
"""

import io
from dataclasses import dataclass

import numpy as np

# Residual blocks from the input on: channels, and whether the block halves the map.
BLOCKS = (
    *[(32, False)] * 3,
    *[(64, True), *[(64, False)] * 3],
    *[(128, True), *[(128, False)] * 2],
    *[(256, True), *[(256, False)] * 2],
    (256, True),
)
INPUT_SIDE = 150
DIMENSIONS = 128


@dataclass
class Convolution:
    """A convolution and the affine layer behind it, still apart."""

    filters: np.ndarray  # [out, in, rows, columns]
    bias: np.ndarray  # [out]
    gamma: np.ndarray  # [out]
    beta: np.ndarray  # [out]
    stride: int
    padding: int

    def folded(self):
        """The same as one convolution: filters and bias."""
        gamma = self.gamma.astype(np.float64)
        filters = self.filters * gamma[:, None, None, None]
        bias = self.bias * gamma + self.beta
        return filters.astype(np.float32), bias.astype(np.float32)


@dataclass
class Block:
    """Two convolutions and a shortcut, which is averaged 2×2 where the block halves the map."""

    first: Convolution
    second: Convolution
    halves: bool


@dataclass
class Network:
    """dlib's network, from the input to the descriptor."""

    means: list[float]
    stem: Convolution
    blocks: list[Block]
    projection: np.ndarray  # [inputs, DIMENSIONS]


class Reader:
    """dlib's primitive encodings."""

    def __init__(self, data):
        self.file = io.BytesIO(data)

    def take(self, count):
        data = self.file.read(count)
        if len(data) != count:
            raise ValueError("the file ends inside a value")
        return data

    def integer(self):
        head = self.take(1)[0]
        length = head & 0x0F
        if not 1 <= length <= 8 or head & 0x70:
            raise ValueError(f"no integer at byte {self.file.tell() - 1}")
        value = int.from_bytes(self.take(length), "little")
        return -value if head & 0x80 else value

    def real(self):
        mantissa, exponent = self.integer(), self.integer()
        if exponent >= 32000:
            raise ValueError("an infinite number or none")
        return mantissa * 2.0**exponent

    def boolean(self):
        value = self.take(1)
        if value not in b"01":
            raise ValueError(f"no boolean at byte {self.file.tell() - 1}")
        return value == b"1"

    def text(self):
        return self.take(self.integer()).decode("ascii")

    def tensor(self):
        self.expect(self.integer(), 2, "tensor version")
        dims = [self.integer() for _ in range(4)]
        count = int(np.prod(dims))
        return np.frombuffer(self.take(4 * count), "<f4", count).reshape(dims)

    def alias(self):
        self.expect(self.integer(), 1, "alias version")
        return [self.integer() for _ in range(4)]

    def expect(self, found, wanted, what):
        if found != wanted:
            raise ValueError(
                f"{what} is {found!r}, not {wanted!r}, before byte {self.file.tell()}"
            )

    def name(self, wanted):
        self.expect(self.text(), wanted, "layer")


class LayerReader(Reader):
    """The layers; each method reads a layer's details and what `add_layer` stores behind them."""

    def __init__(self, data):
        super().__init__(data)
        self.innermost = True

    def trailer(self):
        """Three flags and the tensors of training, which are empty; the layer on the input has
        one number more."""
        for _ in range(3):
            self.boolean()
        for _ in range(3):
            self.expect(self.tensor().size, 0, "size of a gradient")
        if self.innermost:
            self.expect(self.integer(), 1, "sample expansion factor")
            self.innermost = False

    def reals(self, count):
        return [self.real() for _ in range(count)]

    def plain(self, name):
        """A layer without parameters."""
        self.name(name)
        self.trailer()

    def pool(self, name, wanted):
        """Rows, columns, strides, paddings."""
        self.name(name)
        self.expect([self.integer() for _ in range(6)], wanted, f"geometry of {name}")
        self.trailer()

    def convolution(self, channels, side, inputs):
        self.name("con_4")
        flat = self.tensor().reshape(-1)
        geometry = [self.integer() for _ in range(7)]
        stride, padding = geometry[3], geometry[5]
        wanted = [channels, side, side, stride, stride, padding, padding]
        self.expect(geometry, wanted, "geometry of a convolution")
        self.alias()
        self.alias()
        self.reals(4)
        self.trailer()
        filters, bias = flat[:-channels], flat[-channels:]
        self.name("affine_")
        gamma, beta = self.tensor().reshape(2, channels)
        self.alias()
        self.alias()
        self.integer()
        self.trailer()
        filters = filters.reshape(channels, inputs, side, side)
        return Convolution(filters, bias, gamma, beta, stride, padding)

    def block(self, channels, halves, inputs):
        first = self.convolution(channels, 3, inputs)
        self.expect(first.stride, 2 if halves else 1, "stride of a block")
        self.plain("relu_")
        second = self.convolution(channels, 3, channels)
        if halves:
            self.pool("avg_pool_2", [2, 2, 2, 2, 0, 0])
        self.plain("add_prev_")
        self.plain("relu_")
        return Block(first, second, halves)

    def projection(self, inputs):
        self.name("fc_2")
        self.expect([self.integer(), self.integer()], [DIMENSIONS, inputs], "shape of fc")
        values = self.tensor().reshape(inputs, DIMENSIONS)
        self.alias()
        self.alias()
        self.expect(self.integer(), 1, "bias mode of fc (1 is none)")
        self.reals(4)
        self.trailer()
        return values


def layer_versions():
    """Versions that precede the layers, outermost first: 1 for tags and skips, 3 at the input."""
    versions = [2, 2]
    for _, halves in reversed(BLOCKS):
        versions += [2, 2, *([2, 1, 1] if halves else []), 2, 2, 2, 2, 2, 1]
    return [*versions, 2, 2, 2, 3]


def read_network(data):
    """The network in `data`, every name, number and the end of it checked."""
    reader = LayerReader(data)
    reader.expect(reader.integer(), 1, "version of the loss")
    reader.name("loss_metric_2")
    reader.reals(2)
    wanted = layer_versions()
    reader.expect([reader.integer() for _ in wanted], wanted, "list of layers")

    reader.name("input_rgb_image_sized")
    means = reader.reals(3)
    sides = [reader.integer(), reader.integer()]
    reader.expect(sides, [INPUT_SIDE, INPUT_SIDE], "size of the input")
    channels = BLOCKS[0][0]
    stem = reader.convolution(channels, 7, 3)
    reader.plain("relu_")
    reader.pool("max_pool_2", [3, 3, 2, 2, 0, 0])
    blocks = []
    for width, halves in BLOCKS:
        blocks.append(reader.block(width, halves, channels))
        channels = width
    # A pool of size 0 takes the whole map.
    reader.pool("avg_pool_2", [0, 0, 1, 1, 0, 0])
    projection = reader.projection(channels)
    reader.expect(reader.file.tell(), len(data), "length of the network")
    return Network(means, stem, blocks, projection)
