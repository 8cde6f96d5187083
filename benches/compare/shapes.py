"""Networks that people bring, without their weights, which may not be handed on: ONNX files of the published
architectures with random weights from a seed. What a run takes does not depend on the weights.

- arcface-r18, arcface-r50, arcface-r100: InsightFace's IResNet, of 50 layers as w600k_r50.onnx has it, of 100 as
  glintr100.onnx does.
  Normalisations after convolutions are folded into them; those before stay, since the convolution's padding lies between.
- sface: InsightFace's fmobilenet with PReLU and fc type E, which OpenCV's face_recognition_sface is. Nothing is folded.
- scrfd-500m: InsightFace's scrfd_500m_bnkps for 640×640: MobileNetV1 of 16…288 planes, PAFPN of 16, heads with depthwise
  convolutions for two anchors at strides 8, 16 and 32. Normalisations are folded.
- scrfd-500m-dynamic: the same for images of any size, as scrfd2onnx.py exports it without a shape: sizes are computed in
  the graph. Its outputs carry a batch, and its normalisations are not folded.
- scrfd-500m-five: with strides 64 and 128 as well and one anchor, for images of any size.
- scrfd-500m-boxes: without landmarks.

    python shapes.py NAME FOLDER

Prints the path of the file.
"""

import pathlib
import sys

import numpy
import onnx
from onnx import TensorProto, helper, numpy_helper

# As their exporters wrote them.
OPSET = 11
IR_VERSION = 6


class Author:
    """Writes nodes one after the other."""

    def __init__(self, name, shape, outputs):
        self.name, self.shape, self.outputs = name, shape, outputs
        # Any number that stays the same; the files differ by their architectures.
        self.random = numpy.random.default_rng(2026)
        self.nodes, self.weights = [], []

    def weight(self, values):
        name = f"w{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(numpy.asarray(values), name))
        return name

    def normal(self, *shape, scale=1.0):
        return (self.random.standard_normal(shape, dtype=numpy.float32) * numpy.float32(scale)).astype(numpy.float32)

    def uniform(self, *shape):
        return self.random.uniform(0.5, 1.5, shape).astype(numpy.float32)

    def node(self, operator, inputs, output=None, **attributes):
        output = output or f"{operator.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, inputs, [output], **attributes))
        return output

    def convolution(self, x, channels, outputs, kernel=3, stride=1, groups=1, bias=True, gain=1.0, offset=0.0):
        fan_in = channels // groups * kernel * kernel
        weights = self.normal(outputs, channels // groups, kernel, kernel, scale=gain * (2 / fan_in) ** 0.5)
        inputs = [x, self.weight(weights)]
        if bias:
            inputs.append(self.weight(self.normal(outputs, scale=0.1) + numpy.float32(offset)))
        sides = dict(kernel_shape=[kernel] * 2, strides=[stride] * 2, pads=[kernel // 2] * 4, dilations=[1, 1])
        return self.node("Conv", inputs, group=groups, **sides)

    def normalisation(self, x, channels, output=None):
        gamma, beta = self.uniform(channels), self.normal(channels, scale=0.1)
        mean, variance = self.normal(channels, scale=0.1), self.uniform(channels)
        inputs = [x, *map(self.weight, (gamma, beta, mean, variance))]
        return self.node("BatchNormalization", inputs, output, epsilon=1e-5)

    def prelu(self, x, channels):
        slopes = self.random.uniform(0.1, 0.4, (channels, 1, 1)).astype(numpy.float32)
        return self.node("PRelu", [x, self.weight(slopes)])

    def relu(self, x):
        return self.node("Relu", [x])

    def fully_connected(self, x, inputs, outputs):
        weights = self.normal(outputs, inputs, scale=inputs**-0.5)
        return self.node("Gemm", [x, self.weight(weights), self.weight(self.normal(outputs, scale=0.1))], transB=1)

    def sizes_like(self, x, other):
        """Batch and channels of `x`, height and width of `other`, as PyTorch writes it."""
        shape = self.node("Shape", [other])
        zero = self.weight(numpy.int64([0]))
        two = self.weight(numpy.int64([2]))
        sides = [
            self.node("Unsqueeze", [self.node("Gather", [shape, self.weight(numpy.int64(axis))])], axes=[0])
            for axis in (2, 3)
        ]
        first = self.node("Slice", [self.node("Shape", [x]), zero, two, zero])
        return self.node("Concat", [first, self.node("Concat", sides, axis=0)], axis=0)

    def save(self, path):
        value = lambda name, shape: helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)  # noqa: E731
        outputs = [value(name, shape) for name, shape in self.outputs]
        graph = helper.make_graph(self.nodes, self.name, [value("data", self.shape)], outputs, self.weights)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
        onnx.checker.check_model(model)
        part = path.with_suffix(".part")
        onnx.save(model, part)
        part.rename(path)


def arcface(path, blocks):
    author = Author(path.stem, [1, 3, 112, 112], [("embedding", [1, 512])])
    x = author.prelu(author.convolution("data", 3, 64), 64)
    channels = 64
    for outputs, count in zip((64, 128, 256, 512), blocks):
        for block in range(count):
            stride = 2 if block == 0 else 1
            branch = author.normalisation(x, channels)
            branch = author.prelu(author.convolution(branch, channels, outputs), outputs)
            # Less than the shortcut, so that numbers do not grow from block to block.
            branch = author.convolution(branch, outputs, outputs, stride=stride, gain=0.3)
            if block == 0:
                x = author.convolution(x, channels, outputs, kernel=1, stride=stride, gain=0.7)
            x, channels = author.node("Add", [branch, x]), outputs
    x = author.node("Flatten", [author.normalisation(x, 512)], axis=1)
    author.normalisation(author.fully_connected(x, 512 * 7 * 7, 512), 512, "embedding")
    author.save(path)


def sface(path):
    author = Author("sface", [1, 3, 112, 112], [("fc1", [1, 128])])
    x = author.node("Sub", ["data", author.weight(numpy.float32([127.5]))])
    x = author.node("Mul", [x, author.weight(numpy.float32([0.0078125]))])

    def unit(x, channels, outputs, **how):
        x = author.convolution(x, channels, outputs, bias=False, **how)
        return author.prelu(author.normalisation(x, outputs), outputs)

    x, channels = unit(x, 3, 32), 32
    planes = [(64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2)] + [(512, 1)] * 5 + [(1024, 2), (1024, 1)]
    for outputs, stride in planes:
        x = unit(x, channels, channels, stride=stride, groups=channels)
        x, channels = unit(x, channels, outputs, kernel=1), outputs
    x = author.node("Flatten", [author.node("Dropout", [author.normalisation(x, 1024)])], axis=1)
    author.normalisation(author.fully_connected(x, 1024 * 7 * 7, 128), 128, "fc1")
    author.save(path)


def scrfd_500m(path, side=640, levels=3, anchors=2, batch=False, folded=True, landmarks=True):
    width, features = 16, 64
    strides = [8 << level for level in range(levels)]
    kinds = (("score", 1), ("bbox", 4), ("kps", 10))[: 3 if landmarks else 2]
    # Nothing is said of lengths that depend on the image.
    rows = [(side // stride) ** 2 * anchors if side else f"rows_{stride}" for stride in strides]
    outputs = [
        (f"{kind}_{stride}", [1, n, numbers] if batch else [n, numbers])
        for kind, numbers in kinds
        for stride, n in zip(strides, rows)
    ]
    author = Author(path.stem, [1, 3, side or "height", side or "width"], outputs)

    def unit(x, channels, outputs, **how):
        x = author.convolution(x, channels, outputs, **how, bias=folded)
        return author.relu(x if folded else author.normalisation(x, outputs))

    def separable(x, channels, outputs, stride=1):
        return unit(unit(x, channels, channels, stride=stride, groups=channels), channels, outputs, kernel=1)

    x = unit("data", 3, 16, stride=2)
    x, channels, maps = separable(x, 16, 16), 16, []
    for outputs, blocks in ((40, 2), (72, 3), (152, 2), (288, 6)):
        for block in range(blocks):
            x = separable(x, channels, outputs, stride=2 if block == 0 else 1)
            channels = outputs
        maps.append((x, channels))

    laterals = [author.convolution(x, channels, width, kernel=1) for x, channels in maps[1:]]
    no_scales = author.weight(numpy.float32([]))
    for level in (1, 0):
        if side:
            sizes = author.weight(numpy.int64([1, width, side // strides[level], side // strides[level]]))
        else:
            sizes = author.sizes_like(laterals[level + 1], laterals[level])
        how = dict(mode="nearest", coordinate_transformation_mode="asymmetric", nearest_mode="floor")
        up = author.node("Resize", [laterals[level + 1], no_scales, no_scales, sizes], **how)
        laterals[level] = author.node("Add", [laterals[level], up])
    maps = [author.convolution(x, width, width, gain=0.7) for x in laterals]
    for level in (1, 2):
        down = author.convolution(maps[level - 1], width, width, stride=2, gain=0.7)
        maps[level] = author.node("Add", [maps[level], down])
    maps = maps[:1] + [author.convolution(x, width, width, gain=0.7) for x in maps[1:]]
    for _ in range(levels - 3):
        maps.append(author.convolution(maps[-1], width, width, stride=2))

    for x, stride in zip(maps, strides):
        x = separable(separable(x, width, features), features, features)
        for kind, numbers in kinds:
            # Boxes have sides, as those of trained networks do.
            given = author.convolution(x, features, anchors * numbers, gain=0.3, offset=3.0 if kind == "bbox" else 0.0)
            if kind == "bbox":
                given = author.node("Mul", [given, author.weight(numpy.float32(1.1))])
            name = f"{kind}_{stride}"
            rows = author.node("Transpose", [given], perm=[0, 2, 3, 1] if batch else [2, 3, 0, 1])
            shape = author.weight(numpy.int64([1, -1, numbers] if batch else [-1, numbers]))
            if kind == "score":
                author.node("Sigmoid", [author.node("Reshape", [rows, shape])], name)
            else:
                author.node("Reshape", [rows, shape], name)
    author.save(path)


SHAPES = {
    "arcface-r18": lambda path: arcface(path, (2, 2, 2, 2)),
    "arcface-r50": lambda path: arcface(path, (3, 4, 14, 3)),
    "arcface-r100": lambda path: arcface(path, (3, 13, 30, 3)),
    "sface": sface,
    "scrfd-500m": scrfd_500m,
    "scrfd-500m-dynamic": lambda path: scrfd_500m(path, side=None, batch=True, folded=False),
    "scrfd-500m-five": lambda path: scrfd_500m(path, side=None, levels=5, anchors=1),
    "scrfd-500m-boxes": lambda path: scrfd_500m(path, landmarks=False),
}


def make(name, folder):
    """Path of the file, which is made when it is not there."""
    path = folder / f"{name}.onnx"
    if not path.exists():
        SHAPES[name](path)
    return path


if __name__ == "__main__":
    print(make(sys.argv[1], pathlib.Path(sys.argv[2])))
