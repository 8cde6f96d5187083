"""Faces as InsightFace's SCRFD finds them: the reference for the engine's decoder.

    python scrfd_insightface.py MODEL PHOTO...

Runs MODEL on ONNX Runtime through `insightface.model_zoo.scrfd.SCRFD`, NMS 0.4, at the size that the file fixes, or at
each photo's own size, whose sides have to be multiples of the largest stride then. The weights are random, and so is what
they find: for each photo the threshold of the score lies where some 300 boxes are above it, in the middle of the widest
gap between scores around there. Prints a JSON list of {"photo", "threshold", "candidates", "faces": [{"bbox":
[x, y, w, h], "landmarks": [[x, y] × 5], "score"}]}, best first.

The package brings scikit-image and an OpenCV of its own; its detector needs neither, and is installed without what the
package depends on.
"""

import fcntl
import importlib
import json
import pathlib
import subprocess
import sys
import types

import cv2
import numpy

INSIGHTFACE = "insightface==2.1"
NMS_THRESHOLD = 0.4
CANDIDATES = range(250, 350)


def scrfd():
    """The module of the detector alone: the package's own __init__ imports all it can do."""
    folder = pathlib.Path(sys.prefix) / "insightface"
    with open(folder.with_suffix(".lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            part = folder.with_suffix(".part")
            pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
            subprocess.run([*pip, "--no-deps", "--upgrade", "--target", part, INSIGHTFACE], check=True, stdout=sys.stderr)
            part.rename(folder)
    for name in ("insightface", "insightface.model_zoo"):
        package = types.ModuleType(name)
        package.__path__ = [str(folder / name.replace(".", "/"))]
        sys.modules[name] = package
    return importlib.import_module("insightface.model_zoo.scrfd")


def threshold_of(scores):
    """The middle of the widest gap, and how many scores are above it."""
    best = numpy.sort(scores)[::-1]
    count = max(CANDIDATES, key=lambda count: best[count - 1] - best[count])
    return float((best[count - 1] + best[count]) / 2), count


def detect(detector, path):
    bgr = cv2.imread(path, cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    if bgr is None:
        raise SystemExit(f"{path}: cannot be read as a photo")
    size = detector.static_input_size or bgr.shape[1::-1]
    # At the least threshold all scores are given.
    candidates, _ = detector._detect_candidates(bgr, size, -1.0)
    threshold, count = threshold_of(candidates[:, 4])
    boxes, landmarks = detector.detect(bgr, size, det_thresh=threshold)
    boxes, landmarks = boxes.astype(float), landmarks.astype(float)
    faces = [
        {"bbox": [x1, y1, x2 - x1, y2 - y1], "landmarks": points.tolist(), "score": score}
        for (x1, y1, x2, y2, score), points in zip(boxes.tolist(), landmarks)
    ]
    return {"photo": path, "threshold": threshold, "candidates": count, "faces": faces}


def main():
    model, photos = sys.argv[1], sys.argv[2:]
    detector = scrfd().SCRFD(model)
    detector.prepare(-1, nms_thresh=NMS_THRESHOLD)
    json.dump([detect(detector, photo) for photo in photos], sys.stdout)
    print()


if __name__ == "__main__":
    main()
