"""What the engine measures of a face's crop for its quality, measured with OpenCV and numpy.

    python quality_opencv.py < {"template": [[x, y] x 5], "faces": [{"crop": PATH, "landmarks": [[x, y] x 5]}, ...]}

Prints a JSON list with the measurements of each, by the names of facerecog_engine::quality::FaceMeasurements.
"""

import json
import sys

import cv2
import numpy as np


def measure(face, template):
    gray = cv2.cvtColor(cv2.imread(face["crop"]), cv2.COLOR_BGR2GRAY)
    eyes = np.linalg.norm(template[1] - template[0])
    left, top = np.rint(template.min(axis=0) - np.array([0.35, 0.45]) * eyes).astype(int)
    right, bottom = np.rint(template.max(axis=0) + 0.35 * eyes).astype(int)
    shown = gray[top:bottom, left:right]

    # Blocks that are an 18th of the distance of the eyes: OpenCV shrinks by whole numbers to the mean.
    block = round(eyes / 17.6)
    side = len(gray) // block
    whole = gray[: side * block, : side * block].astype(np.float64)
    blocks = cv2.resize(whole, (side, side), interpolation=cv2.INTER_AREA)
    in_blocks = slice(top // block, bottom // block), slice(left // block, right // block)

    def laplacian_variance(plane, part):
        return cv2.Laplacian(plane, cv2.CV_64F)[part].var()

    coarse = laplacian_variance(blocks, in_blocks) + 0.5
    fine = laplacian_variance(gray, (slice(top, bottom), slice(left, right))) + 0.5
    shares = cv2.calcHist([np.ascontiguousarray(shown)], [0], None, [256], [0, 256]).ravel() / shown.size
    shares = shares[shares > 0]

    points = np.array(face["landmarks"])
    middle, mouth = points[:2].mean(axis=0), points[3:].mean(axis=0)
    # Turned so that the eyes are level.
    way = points[1] - points[0]
    turn = cv2.getRotationMatrix2D(middle.tolist(), np.degrees(np.arctan2(way[1], way[0])), 1.0)
    level = points @ turn[:, :2].T + turn[:, 2]
    level_eyes, level_mouth = level[:2].mean(axis=0), level[3:].mean(axis=0)
    return {
        "eye_distance": np.linalg.norm(way),
        "sharpness": np.log(coarse / (blocks[in_blocks].var() + 10)),
        "signal_to_noise": np.log(coarse / fine),
        "dynamic_range": -(shares * np.log2(shares)).sum(),
        "overexposed": (shown > 239).mean(),
        "face_length": np.linalg.norm(mouth - middle) / np.linalg.norm(way),
        "nose_height": (level[2] - level_eyes)[1] / (level_mouth - level_eyes)[1],
    }


def main():
    asked = json.load(sys.stdin)
    template = np.array(asked["template"])
    json.dump([{k: float(v) for k, v in measure(face, template).items()} for face in asked["faces"]], sys.stdout)
    print()


if __name__ == "__main__":
    main()
