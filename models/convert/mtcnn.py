"""MTCNN's three networks from the wheel of facenet-pytorch 2.6.0 to ONNX.

    python mtcnn.py facenet_pytorch-2.6.0-py3-none-any.whl OUT_DIR

Writes mtcnn_pnet.onnx, mtcnn_rnet.onnx and mtcnn_onet.onnx. Architecture as in that package's
facenet_pytorch/models/mtcnn.py; mean and scale are inside the graphs, so that all three take
RGB 0…255. `reg` are offsets in box sides, `prob` [not a face, face], `points` x1…x5, y1…y5.
"""

import io
import sys
import zipfile
from pathlib import Path

from graph import Graph
from torch_state import read_state

MEAN = 127.5
SCALE = 0.0078125


class Network(Graph):
    """One of the three; layers carry the names that they have in the state dict."""

    def __init__(self, name, state, side, outputs):
        spatial = ["h", "w"] if side is None else []
        super().__init__(
            name,
            [("input", ["N", 3, side or "H", side or "W"])],
            [(output, ["N", channels, *spatial]) for output, channels in outputs],
        )
        self.state = dict(state)
        self.at = self.normalise("input", MEAN, SCALE)

    def take(self, key):
        return self.state.pop(key)

    def convolve(self, layer, source=None, output=None):
        weight = self.take(f"{layer}.weight")
        return self.node(
            "Conv",
            [
                source or self.at,
                self.weights(f"{layer}_weight", weight),
                self.constant(f"{layer}_bias", self.take(f"{layer}.bias")),
            ],
            output or layer,
            kernel_shape=list(weight.shape[2:]),
        )

    def prelu(self, layer, spatial):
        slope = self.take(f"{layer}.weight").reshape((-1, 1, 1) if spatial else (-1,))
        self.at = self.node("PRelu", [self.at, self.constant(f"{layer}_slope", slope)], layer)

    def stage(self, number, pool=None):
        """Convolution, PReLU and perhaps a pool of the given side and stride 2."""
        self.at = self.convolve(f"conv{number}")
        self.prelu(f"prelu{number}", spatial=True)
        if pool:
            # The original pools with ceil_mode: one more row and column at the end, which count
            # as minus infinity. Padding says the same and, unlike ceil_mode, it is simple for
            # every runtime; a window that lay in the padding alone cannot arise at these sizes.
            self.at = self.node(
                "MaxPool",
                [self.at],
                f"pool{number}",
                kernel_shape=[pool, pool],
                strides=[2, 2],
                pads=[0, 0, 1, 1],
            )

    def flatten(self):
        self.at = self.node("Flatten", [self.at], "flat", axis=1)

    def dense(self, layer, output=None, map_shape=None):
        weight = self.take(f"{layer}.weight")
        if map_shape:
            # The original flattens width × height × channels; the graph channels × height × width.
            channels, height, width = map_shape
            weight = weight.reshape(-1, width, height, channels).transpose(0, 3, 2, 1)
            weight = weight.reshape(weight.shape[0], -1)
        return self.node(
            "Gemm",
            [
                self.at,
                self.weights(f"{layer}_weight", weight),
                self.constant(f"{layer}_bias", self.take(f"{layer}.bias")),
            ],
            output or layer,
            transB=1,
        )

    def dense_stage(self, number, map_shape):
        self.at = self.dense(f"dense{number}", map_shape=map_shape)
        self.prelu(f"prelu{number}", spatial=False)

    def probability(self, logits):
        self.node("Softmax", [logits], "prob", axis=1)

    def finish(self):
        if self.state:
            raise ValueError(f"{self.name}: no use for {', '.join(self.state)}")
        return self.bytes("facerecog models/convert/mtcnn.py")


def pnet(state):
    net = Network("mtcnn_pnet", state, None, [("reg", 4), ("prob", 2)])
    net.stage(1, pool=2)
    net.stage(2)
    net.stage(3)
    net.convolve("conv4_2", output="reg")
    net.probability(net.convolve("conv4_1", output="logit"))
    return net.finish()


def rnet(state):
    net = Network("mtcnn_rnet", state, 24, [("reg", 4), ("prob", 2)])
    net.stage(1, pool=3)
    net.stage(2, pool=3)
    net.stage(3)
    net.flatten()
    net.dense_stage(4, map_shape=(64, 3, 3))
    net.dense("dense5_2", output="reg")
    net.probability(net.dense("dense5_1", output="logit"))
    return net.finish()


def onet(state):
    net = Network("mtcnn_onet", state, 48, [("reg", 4), ("points", 10), ("prob", 2)])
    net.stage(1, pool=3)
    net.stage(2, pool=3)
    net.stage(3, pool=2)
    net.stage(4)
    net.flatten()
    net.dense_stage(5, map_shape=(128, 3, 3))
    net.dense("dense6_2", output="reg")
    net.dense("dense6_3", output="points")
    net.probability(net.dense("dense6_1", output="logit"))
    return net.finish()


def main():
    wheel, out = Path(sys.argv[1]), Path(sys.argv[2])
    with zipfile.ZipFile(wheel) as archive:
        for name, convert in (("pnet", pnet), ("rnet", rnet), ("onet", onet)):
            file = io.BytesIO(archive.read(f"facenet_pytorch/data/{name}.pt"))
            (out / f"mtcnn_{name}.onnx").write_bytes(convert(read_state(file)))


if __name__ == "__main__":
    main()
