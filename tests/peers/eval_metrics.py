"""The numbers of `recognizer eval`, computed again: with scikit-learn, and from the definitions with numpy.

    python eval_metrics.py verification SCORES.csv
    python eval_metrics.py identification EMBEDDINGS ROOT LIST.csv THRESHOLD
    python eval_metrics.py detection FACES.jsonl BOXES.csv ROOT LEAST_SCORE
    python eval_metrics.py quality SCORES.csv

Prints one JSON object. SCORES.csv is what `eval verification` and `quality` write with `--scores`, EMBEDDINGS what `--embeddings` keeps,
FACES.jsonl what `recognizer detect --json --min-score 0.2` prints. Only file formats are shared with what is tested.
"""

import csv
import json
import os
import sys
from collections import defaultdict

import numpy as np
from sklearn.metrics import average_precision_score, roc_auc_score, roc_curve


def verification(scores):
    with open(scores, newline="") as file:
        rows = list(csv.DictReader(file))
    same = np.array([row["same"] == "1" for row in rows])
    distance = np.array([float(row["distance"]) for row in rows])
    far, tar, _ = roc_curve(same, -distance, drop_intermediate=False)
    # Where 1 - TAR crosses FAR, between neighbouring points on a straight line.
    above = np.argmax(far >= 1 - tar)
    gaps = (far - (1 - tar))[[above - 1, above]]
    eer = far[above - 1] + (far[above] - far[above - 1]) * -gaps[0] / (gaps[1] - gaps[0])
    return {
        "auc": roc_auc_score(same, -distance),
        "eer": eer,
        "tar_at_far": {name: tar[far <= bound + 1e-12].max() for name, bound in (("1e-2", 1e-2), ("1e-3", 1e-3))},
    }


def identification(embeddings, root, people, threshold):
    threshold = float(threshold)
    with open(embeddings) as file:
        next(file)
        kept = {photo["photo"]: photo for photo in map(json.loads, file)}
    with open(people, newline="") as file:
        rows = list(csv.DictReader(file))
    photo = {row["image"]: kept[os.path.join(root, row["image"])] for row in rows}
    gallery = [row for row in rows if row["role"] == "gallery"]
    probes = [row for row in rows if row["role"] == "probe"]
    known = {row["person"] for row in gallery}
    enrolled = [row for row in gallery if photo[row["image"]]["face"]]
    names = np.array([row["person"] for row in enrolled])
    matrix = np.array([photo[row["image"]]["embedding"] for row in enrolled], dtype=np.float64)
    first, named, alarms, mated, strangers = [], [], [], 0, 0
    for probe in probes:
        stranger = probe["person"] not in known
        strangers += stranger
        mated += not stranger
        nearest, person = np.inf, None
        if photo[probe["image"]]["face"]:
            distances = np.linalg.norm(matrix - np.array(photo[probe["image"]]["embedding"], dtype=np.float64), axis=1)
            nearest, person = distances.min(), names[distances.argmin()]
        if stranger:
            alarms.append(nearest)
        else:
            first.append(person == probe["person"])
            named.append(nearest if person == probe["person"] else np.inf)
    alarms, named = np.sort(alarms), np.array(named)

    def dir_at(far):
        # The threshold is the distance of the first stranger too many.
        allowed = int(np.floor(far * strangers + 1e-9))
        return float((named < alarms[allowed]).mean())

    return {
        "gallery": len(gallery),
        "probes": len(probes),
        "rank1": float(np.mean(first)),
        "dir_at_far": {"1e-2": dir_at(1e-2), "1e-3": dir_at(1e-3)},
        "false_match_rate": float((alarms < threshold).mean()),
        "miss_rate": float((named >= threshold).mean()),
        "enrolled": len(enrolled),
    }


def overlap(a, b):
    width = min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0])
    height = min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1])
    common = max(width, 0) * max(height, 0)
    return common / (a[2] * a[3] + b[2] * b[3] - common)


def detection(faces, boxes, root, least_score):
    labels = defaultdict(list)
    with open(boxes, newline="") as file:
        for row in csv.DictReader(file):
            of_photo = labels[os.path.join(root, row["image"])]
            if row["x"]:
                of_photo.append([float(row[key]) for key in ("x", "y", "width", "height")])
    right, scores, empty = [], [], []
    with open(faces) as file:
        for photo in map(json.loads, file):
            left = list(labels[photo["photo"]])
            found = sorted(photo["faces"], key=lambda face: -face["score"])
            if not left:
                empty.append(sum(face["score"] >= float(least_score) for face in found))
            has_faces = bool(left)
            for face in found:
                best = max(left, key=lambda box: overlap(face["bbox"], box), default=None)
                hit = best is not None and overlap(face["bbox"], best) >= 0.5
                if hit:
                    left.remove(best)
                right.append((hit, has_faces))
                scores.append(face["score"])
    total = sum(map(len, labels.values()))
    hits, scores = np.array([hit for hit, _ in right]), np.array(scores)
    sure = scores >= float(least_score)
    on_faces = sure & np.array([has_faces for _, has_faces in right])
    return {
        # scikit-learn knows of no face without a box: its recall ends at 1.
        "average_precision": average_precision_score(hits, scores) * hits.sum() / total,
        "precision": float(hits[on_faces].mean()),
        "recall": float(hits[sure].sum() / total),
        "false_faces": float(np.mean(empty)),
    }


def quality(scores):
    with open(scores, newline="") as file:
        rows = list(csv.DictReader(file))
    missed = np.array([float(row["missed"]) for row in rows])
    shares = np.linspace(0, 0.3, 301)

    def rates(left_over):
        """Of the misses that are left over when this share of the pairs is rejected."""
        return left_over / (len(rows) * (1 - shares))

    ideal = rates(np.maximum(missed.sum() - shares * len(rows), 0))

    def judged(column):
        judge = np.array([float(row[column]) for row in rows])
        # Pairs that are equally good are equally likely to go first.
        values, place, counts = np.unique(judge, return_inverse=True, return_counts=True)
        misses = (np.bincount(place, missed) / counts)[place][np.argsort(judge, kind="stable")]
        gone = np.interp(shares * len(rows), np.arange(len(rows) + 1), np.concatenate([[0], np.cumsum(misses)]))
        left = rates(missed.sum() - gone)
        area = np.trapezoid(left, shares) / shares[-1]
        by_lot = missed.mean()
        gain = (by_lot - area) / (by_lot - np.trapezoid(ideal, shares) / shares[-1])
        return {"area": area, "gain": gain, "curve": [left[round(share * 1000)] for share in REJECTED]}

    return {column: judged(column) for column in ("quality", "detector_score")}


REJECTED = [0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3]
MEASUREMENTS = {function.__name__: function for function in (verification, identification, detection, quality)}

if __name__ == "__main__":
    print(json.dumps(MEASUREMENTS[sys.argv[1]](*sys.argv[2:])))
