"""Faces as OpenCV's FaceDetectorYN finds them: the reference for the engine's YuNet decoder.

    python yunet_opencv.py MODELS_DIR PHOTO...

Runs yunet_n_dynamic.onnx of MODELS_DIR at each photo's own size (OpenCV fills up to a multiple of 32
with black at the right and the bottom), score 0.6, NMS 0.3, at most 5000 candidates. Prints a JSON
list of {"photo", "width", "height", "faces": [{"bbox": [x, y, w, h], "landmarks": [[x, y] × 5],
"score"}]}, best first; landmarks are image-left eye, image-right eye, nose tip, image-left and
image-right mouth corner. EXIF orientation is not applied.

OpenCV suppresses on boxes truncated to whole pixels (Rect2i) and reports the untruncated ones.
"""

import json
import sys
from pathlib import Path

import cv2

SCORE_THRESHOLD = 0.6
NMS_THRESHOLD = 0.3
TOP_K = 5000


def detect(detector, path):
    bgr = cv2.imread(path, cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    if bgr is None:
        raise SystemExit(f"{path}: cannot be read as a photo")
    height, width = bgr.shape[:2]
    detector.setInputSize((width, height))
    _, rows = detector.detect(bgr)
    faces = [
        {
            "bbox": row[:4],
            "landmarks": [row[at : at + 2] for at in range(4, 14, 2)],
            "score": row[14],
        }
        for row in ([] if rows is None else rows.astype(float).tolist())
    ]
    faces.sort(key=lambda face: -face["score"])
    return {"photo": path, "width": width, "height": height, "faces": faces}


def main():
    model, photos = Path(sys.argv[1]) / "yunet_n_dynamic.onnx", sys.argv[2:]
    cv2.setNumThreads(1)
    detector = cv2.FaceDetectorYN.create(
        str(model), "", (320, 320), SCORE_THRESHOLD, NMS_THRESHOLD, TOP_K
    )
    json.dump([detect(detector, photo) for photo in photos], sys.stdout)
    print()


if __name__ == "__main__":
    main()
