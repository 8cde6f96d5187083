"""ONNX files that look like embedders and are none, or not as they are.

    python odd_embedders.py NAME FOLDER

NAME is one of those below; prints the path of the file.
"""

import pathlib
import sys

import numpy
import onnx
from onnx import TensorProto, helper, numpy_helper

SHAPE = [1, 3, 112, 112]


def save(path, nodes, weights, inputs=(("data", SHAPE),), output=(1, 128), **how):
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in inputs]
    given = helper.make_tensor_value_info("embedding", TensorProto.FLOAT, output)
    weights = [numpy_helper.from_array(numpy.asarray(array, dtype), name) for name, array, dtype in weights]
    graph = helper.make_graph(nodes, path.stem, values, [given], weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.save(model, path, **how)


def pooled(path, factor, offset, **how):
    """Means of 4×4 parts of the image by a matrix, times a factor."""
    matrix = numpy.random.default_rng(2026).standard_normal((3 * 28 * 28, 128)) * factor
    nodes = [
        helper.make_node("AveragePool", ["data"], ["parts"], kernel_shape=[4, 4], strides=[4, 4]),
        helper.make_node("Flatten", ["parts"], ["flat"]),
        helper.make_node("Gemm", ["flat", "matrix", "offset"], ["embedding"]),
    ]
    save(path, nodes, [("matrix", matrix, numpy.float32), ("offset", numpy.full(128, offset), numpy.float32)], **how)


def same(path, shape, output):
    """The input as it is."""
    nodes = [helper.make_node("Relu", ["data"], ["embedding"])]
    save(path, nodes, [], inputs=[("data", shape)], output=output)


def two_inputs(path):
    nodes = [helper.make_node("Add", ["data", "more"], ["embedding"])]
    save(path, nodes, [], inputs=[("data", SHAPE), ("more", SHAPE)], output=SHAPE)


ODD = {
    "nan": lambda path: pooled(path, 1.0, numpy.nan),
    "zeros": lambda path: pooled(path, 0.0, 0.0),
    "constant": lambda path: pooled(path, 0.0, 1.0),
    "channels-last": lambda path: same(path, [1, 112, 112, 3], [1, 112, 112, 3]),
    "batch": lambda path: same(path, [8, 3, 112, 112], [8, 3, 112, 112]),
    "two-inputs": two_inputs,
    "map": lambda path: same(path, SHAPE, SHAPE),
    "external": lambda path: pooled(path, 1.0, 0.0, save_as_external_data=True, location="external.weights"),
}

if __name__ == "__main__":
    file = pathlib.Path(sys.argv[2]) / f"{sys.argv[1]}.onnx"
    ODD[sys.argv[1]](file)
    print(file)
