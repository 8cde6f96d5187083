"""Faces as OpenCV's FaceRecognizerSF aligns them to ArcFace's template: the reference for the fit in the crop.

    python align_opencv.py MODELS_DIR < [{"photo": PATH, "landmarks": [[x, y] x 5]}, ...]

Prints the crops one after the other, 112x112 RGB. The class takes a network of MODELS_DIR and never runs it.
"""

import json
import sys
from pathlib import Path

import cv2
import numpy as np


def main():
    aligner = cv2.FaceRecognizerSF.create(str(Path(sys.argv[1]) / "mobilefacenet.onnx"), "")
    for face in json.load(sys.stdin):
        bgr = cv2.imread(face["photo"], cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
        # As the detector gives it: box, landmarks, score.
        row = np.float32([0, 0, 0, 0, *np.ravel(face["landmarks"]), 1])
        sys.stdout.buffer.write(aligner.alignCrop(bgr, row)[:, :, ::-1].tobytes())


if __name__ == "__main__":
    main()
