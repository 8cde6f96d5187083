"""Runs a network in ONNX Runtime on inputs given as raw numbers.

    python mtcnn_onnxruntime.py MODEL.onnx SHAPE INPUT...

SHAPE is as in 1x3x48x48; each INPUT holds that many little-endian float32, channels before rows
before columns. Prints a JSON list, one entry an input:
{"input": path, "outputs": {name: {"shape": [...], "values": [flat]}}}. It takes any model of one
input; MTCNN's three are what it was made for.
"""

import json
import sys
from pathlib import Path

import numpy as np
import onnxruntime


def main():
    model, shape, inputs = sys.argv[1], sys.argv[2], sys.argv[3:]
    shape = [int(side) for side in shape.split("x")]
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    net = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    (source,) = net.get_inputs()
    names = [output.name for output in net.get_outputs()]
    answers = []
    for path in inputs:
        values = np.frombuffer(Path(path).read_bytes(), "<f4").reshape(shape)
        outputs = net.run(names, {source.name: values})
        answers.append(
            {
                "input": path,
                "outputs": {
                    name: {"shape": list(output.shape), "values": output.ravel().tolist()}
                    for name, output in zip(names, outputs)
                },
            }
        )
    json.dump(answers, sys.stdout)
    print()


if __name__ == "__main__":
    main()
