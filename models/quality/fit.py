"""Fits the weights of facerecog_engine::quality::FaceQuality to what is missed.

    recognizer --pack builtin eval quality OUT/fit.csv --root OUT --min-face 12 --embeddings builtin.embeddings
    recognizer --pack fast eval quality OUT/fit.csv --root OUT --min-face 12 --embeddings fast.embeddings
    $(sh tests/peers/venv.sh) models/quality/fit.py OUT/fit.csv builtin.embeddings 0.4714 fast.embeddings 1.0946

OUT and fit.csv are what degrade.py makes; the numbers are the thresholds of the packs' decisions for one comparison.

The logarithm of the odds that a pair is recognised is that of the pack for faces that lack nothing, less the losses of
the worse of both photos. A loss is a weight times how far a measurement is on the way from `good` to `bad`, 0 to 1.
The weights, none below 0, are those of the greatest likelihood over both packs, each pack counting the same.
"""

import csv
import json
import os
import sys
from pathlib import Path

import numpy as np
from scipy.optimize import minimize

# Of each measurement, where losses begin and where they end. The greatest of those with one weight counts.
SCALES = {
    "yunet": [("yunet", 0.94, 0.87)],
    "mtcnn": [("mtcnn", 1.0, 0.99)],
    "sharpness": [("sharpness", -0.35, -3.7)],
    "noise": [("signal_to_noise", 1.5, -0.2)],
    "exposure": [("dynamic_range", 4.0, 2.5), ("overexposed", 0.0, 0.75)],
    "length": [("face_length", 1.2, 1.65)],
    "nose": [("nose_height", 0.46, 0.21)],
}
DETECTORS = {"builtin": "mtcnn", "fast": "yunet"}
# Keeps a weight that nothing speaks for at 0.
RIDGE = 1e-4


def losses(measured, detector):
    measured = {name: 1.0 for name in DETECTORS.values()} | measured | {detector: measured["detector_score"]}
    return [
        max(np.clip((good - measured[name]) / (good - bad), 0, 1) for name, good, bad in scales)
        for scales in SCALES.values()
    ]


def pairs(fit, embeddings, threshold):
    """Losses of both photos of each pair, and whether it is recognised."""
    detector = DETECTORS[Path(embeddings).stem]
    with open(embeddings) as file:
        next(file)
        kept = {photo["photo"]: photo for photo in map(json.loads, file)}
    root = Path(fit).parent
    first, second, recognised = [], [], []
    with open(fit, newline="") as file:
        for row in csv.DictReader(file):
            a, b = (kept[os.path.join(root, row[column])] for column in ("image_a", "image_b"))
            if a["measured"] and b["measured"]:
                first.append(losses(a["measured"], detector))
                second.append(losses(b["measured"], detector))
                apart = np.linalg.norm(np.array(a["embedding"]) - np.array(b["embedding"]))
                recognised.append(apart < float(threshold))
    return np.array(first), np.array(second), np.array(recognised, dtype=float)


def fit(packs):
    count = len(SCALES)

    def objective(values):
        weights, sum_, gradient = values[:count], 0.0, np.zeros_like(values)
        for place, (first, second, recognised) in enumerate(packs, count):
            worse = np.where((first @ weights > second @ weights)[:, None], first, second)
            odds = values[place] - worse @ weights
            sum_ += np.mean(np.logaddexp(0, odds) - recognised * odds)
            error = (1 / (1 + np.exp(-odds)) - recognised) / len(odds)
            gradient[place] += error.sum()
            gradient[:count] -= worse.T @ error
        gradient[:count] += 2 * RIDGE * weights
        return sum_ + RIDGE * (weights**2).sum(), gradient

    start = np.r_[np.ones(count), np.full(len(packs), 2.0)]
    bounds = [(0, None)] * count + [(None, None)] * len(packs)
    return minimize(objective, start, jac=True, method="L-BFGS-B", bounds=bounds).x


def main():
    list_, *rest = sys.argv[1:]
    packs = [pairs(list_, embeddings, threshold) for embeddings, threshold in zip(rest[::2], rest[1::2])]
    values = fit(packs)
    for name, weight in zip(SCALES, values):
        print(f"{name:10} {weight:.2f}")
    for embeddings, odds, (_, _, recognised) in zip(rest[::2], values[len(SCALES) :], packs):
        print(f"{Path(embeddings).stem:10} {1 / (1 + np.exp(-odds)):.3f} recognised of faces that lack nothing, "
              f"{recognised.mean():.3f} of all, {len(recognised)} pairs")


if __name__ == "__main__":
    main()
