"""What both converters share: building a graph of float16 weights that compute in float32."""

import numpy as np
from onnx import TensorProto, checker, helper, numpy_helper

# Opset 13 and IR 8 are what every runtime in use reads; nothing here needs more.
OPSET = 13
IR_VERSION = 8


class Graph:
    """Collects nodes and initializers in the order in which they are added."""

    def __init__(self, name, inputs, outputs):
        self.name = name
        self.inputs = [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in inputs]
        self.outputs = [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in outputs]
        self.nodes = []
        self.initializers = []

    def constant(self, name, values, dtype=np.float32):
        self.initializers.append(numpy_helper.from_array(np.ascontiguousarray(values, dtype), name))
        return name

    def node(self, operation, inputs, output, **attributes):
        self.nodes.append(helper.make_node(operation, inputs, [output], name=output, **attributes))
        return output

    def weights(self, name, values):
        """float16 in the file, float32 in the arithmetic: half the size, no half-precision sums."""
        half = np.asarray(values, np.float32).astype(np.float16)
        if not np.isfinite(half).all():
            raise ValueError(f"{self.name}: a weight of {name} does not fit float16")
        stored = self.constant(f"{name}_f16", half, np.float16)
        return self.node("Cast", [stored], name, to=TensorProto.FLOAT)

    def normalise(self, source, mean, scale):
        """(x - mean) * scale, the mean one number or one a channel."""
        mean = np.asarray(mean, np.float32).reshape(1, -1, 1, 1)
        centred = self.node("Sub", [source, self.constant("mean", mean)], "centred")
        scale = self.constant("scale", np.full((1, 1, 1, 1), scale))
        return self.node("Mul", [centred, scale], "normalised")

    def bytes(self, producer):
        graph = helper.make_graph(
            self.nodes, self.name, self.inputs, self.outputs, self.initializers
        )
        model = helper.make_model(
            graph, producer_name=producer, opset_imports=[helper.make_opsetid("", OPSET)]
        )
        model.ir_version = IR_VERSION
        checker.check_model(model, full_check=True)
        return model.SerializeToString(deterministic=True)
