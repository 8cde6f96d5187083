#!/usr/bin/env python3
"""Who is the same on 3,200 pairs of LFW: facerecog in each precision, OpenCV with ONNX Runtime on the same networks, and
the library that the original service used.

Prints one JSON line for each and keeps them in benches/results/<date>-<cpu>-accuracy.csv. Run by
`make compare WORK=accuracy`.
"""

import csv
import json
import os
import pathlib
import subprocess
import tempfile

import cv2
import numpy
import onnxruntime

import faces
import turns

LFW = turns.SHARED / "data/lfw-dev"
LISTS = [LFW / name for name in ("pairsDevTrain.csv", "pairsDevTest.csv")]
RECOGNIZER = turns.TARGET / "release/recognizer"
PACKS = {"fast": ("f32", "bf16", "int8"), "builtin": ("f32", "bf16", "int8")}
CALIBRATION = 100


def ours(pack, precision, models):
    command = [RECOGNIZER, "--json", "--pack", pack, "--models", models, "--precision", precision]
    command += ["eval", "verification", "--root", LFW, *LISTS]
    measured = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return {
        "accuracy": round(measured["accuracy"]["mean"], 5),
        "tar_at_far_1e_2": round(measured["tar_at_far"]["1e-2"], 4),
        "tar_at_far_1e_3": round(measured["tar_at_far"]["1e-3"], 4),
        "eer": round(measured["eer"], 5),
        "photos_without_face": measured["photos_without_face"],
    }


def models_with_ranges(folder):
    """The networks, and ranges from some of the photos."""
    for path in turns.MODELS.glob("*.onnx"):
        (folder / path.name).symlink_to(path)
    photos = faces.photos()
    for pack in PACKS:
        some = photos[:: len(photos) // CALIBRATION][:CALIBRATION]
        command = [RECOGNIZER, "--models", folder, "models", "calibrate", pack, *some]
        subprocess.run(command, check=True, capture_output=True)


class Peer:
    """Takes the face that is nearest to the middle, as `recognizer eval verification` does."""

    name = "opencv + onnxruntime"

    def __init__(self):
        file = turns.MODELS / "mobilefacenet.onnx"
        self.network = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
        self.input = self.network.get_inputs()[0].name
        self.aligner = faces.aligner()

    def embedding(self, path):
        image = cv2.imread(str(path))
        found = faces.detector(turns.MODELS / "yunet_n_dynamic.onnx", image.shape[1::-1]).detect(image)[1]
        if found is None:
            return None
        middle = numpy.float32(image.shape[1::-1]) / 2
        face = min(found, key=lambda face: numpy.linalg.norm(face[:2] + face[2:4] / 2 - middle))
        chip = faces.planes(self.aligner.alignCrop(image, face), faces.MEAN, faces.SCALE)
        embedding = self.network.run(None, {self.input: chip[None]})[0][0]
        return embedding / numpy.linalg.norm(embedding)

    def embeddings(self, photos):
        return {photo: self.embedding(LFW / photo) for photo in photos}


class Original:
    """face_recognition: dlib's HOG detector, its five landmarks and its network, from pip in an environment of its own."""

    name = "face_recognition (HOG, 5 landmarks, ResNet)"

    def embeddings(self, photos):
        found = turns.original("embeddings.py", [LFW / photo for photo in photos])
        return {photo: embedding and numpy.array(embedding) for photo, embedding in zip(photos, found, strict=True)}


def measure(peer):
    """What `recognizer eval verification` measures, of a peer."""
    pairs = [row for path in LISTS for row in csv.DictReader(open(path))]
    of = peer.embeddings(sorted({row[side] for row in pairs for side in ("image_a", "image_b")}))

    def distance(a, b):
        # A photo without a face is like no other.
        return numpy.inf if a is None or b is None else numpy.linalg.norm(a - b)

    distances = numpy.array([distance(of[row["image_a"]], of[row["image_b"]]) for row in pairs])
    same = numpy.array([row["same"] == "1" for row in pairs])
    folds = numpy.array([int(row["fold"]) for row in pairs])
    return {
        "peer": peer.name,
        "peer_accuracy": round(fold_accuracy(distances, same, folds), 5),
        "peer_tar_at_far_1e_2": round(true_accepts_at(distances, same, 1e-2), 4),
        "peer_tar_at_far_1e_3": round(true_accepts_at(distances, same, 1e-3), 4),
        "peer_eer": round(equal_error_rate(distances, same), 5),
        "peer_photos_without_face": sum(embedding is None for embedding in of.values()),
    }


def fold_accuracy(distances, same, folds):
    """Each fold at the threshold that is best on all others."""
    thresholds = numpy.sort(distances[numpy.isfinite(distances)])

    def right(threshold, some):
        return ((distances[some] < threshold) == same[some]).mean()

    def of_fold(fold):
        others = folds != fold
        best = max(thresholds[::4], key=lambda threshold: right(threshold, others))
        return right(best, folds == fold)

    return float(numpy.mean([of_fold(fold) for fold in numpy.unique(folds)]))


def true_accepts_at(distances, same, far):
    """The share of the same that is accepted where at most so many of the others are."""
    others = numpy.sort(distances[~same])
    return float((distances[same] < others[int(far * len(others) + 1e-9)]).mean())


def equal_error_rate(distances, same):
    """Where as many of the same are missed as others are accepted, between two thresholds."""
    order = numpy.argsort(distances)
    false = numpy.cumsum(~same[order]) / (~same).sum()
    missed = 1 - numpy.cumsum(same[order]) / same.sum()
    end = int(numpy.argmax(false >= missed))
    gap, before = false[end] - missed[end], missed[end - 1] - false[end - 1]
    return float(false[end - 1] + (false[end] - false[end - 1]) * before / (gap + before))


def main():
    if not LFW.is_dir():
        raise SystemExit(f"{LFW}: not there; set FACERECOG_SHARED to the folder that has it")
    load_before, lines = os.getloadavg()[0], []
    peer = {"fast": measure(Peer()), "builtin": measure(Original())}
    with tempfile.TemporaryDirectory() as folder:
        models_with_ranges(pathlib.Path(folder))
        for pack, precisions in PACKS.items():
            for precision in precisions:
                measured = ours(pack, precision, folder)
                lines.append(turns.show({"work": f"accuracy {pack} {precision}", **measured, **peer.get(pack, {})}))
    peers = f"opencv {cv2.__version__}, onnxruntime {onnxruntime.__version__}, {Original.name}"
    turns.keep("accuracy", lines, load_before, peers)


if __name__ == "__main__":
    main()
