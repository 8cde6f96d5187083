#!/usr/bin/env python3
"""Tells who is on a photo, from its file to the name: facerecog, and OpenCV with ONNX Runtime on the same networks, one
thread each, in turns.

Prints one JSON line for each photo and keeps them in benches/results/<date>-<cpu>-identify.csv. Run by
`make compare WORK=identify`.
"""

import os
import statistics
import time

import cv2
import numpy
import onnxruntime

import faces
import turns

OURS = turns.TARGET / "release/examples/compare_identify"
KNOWN = turns.ROOT / "known_people"
PHOTO, PERSON = turns.ROOT / "examples/obama3.jpg", "obama"
SIZES = {"640x480": (480, 640), "2mp": (1224, 1632), "12mp": (3000, 4000)}
ROUNDS = 15
ROUND_MS = 200
# What the pack `fast` has, and facerecog without options.
SCORE, NMS, MIN_FACE, USUAL_SIDE, SMALLEST_SEEN, LONGEST_SIDE = 0.6, 0.3, 40, 640, 10, 1920
THRESHOLD = 1.14


def photo_of(name):
    """The middle of the photo in this size, with noise as a camera's, so that it takes a file as large as a camera's."""
    path, (width, height) = turns.FOLDER / f"identify-{name}.jpg", SIZES[name]
    image = cv2.imread(str(PHOTO))
    wanted = round(image.shape[1] * height / width)
    image = cv2.resize(image[:wanted], (width, height), interpolation=cv2.INTER_CUBIC)
    noise = numpy.random.default_rng(1).normal(0, 3, image.shape)
    cv2.imwrite(str(path), numpy.clip(image + noise, 0, 255).astype(numpy.uint8), [cv2.IMWRITE_JPEG_QUALITY, 90])
    return path


class Peer:
    """As someone writes it who knows both libraries well: the file is decoded as small as the detector needs it, the
    photo is shrunk for the detector alone, and the face is aligned from what was decoded."""

    name = "opencv + onnxruntime"

    def __init__(self):
        cv2.setNumThreads(1)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        file = turns.MODELS / "mobilefacenet.onnx"
        self.embedder = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
        self.input = self.embedder.get_inputs()[0].name
        self.detector = cv2.FaceDetectorYN.create(str(turns.MODELS / "yunet_n_dynamic.onnx"), "", (320, 320), SCORE, NMS)
        self.aligner = faces.aligner()
        paths = sorted(KNOWN.glob("*.jpg"))
        self.names = [path.stem for path in paths]
        self.gallery = numpy.stack([self.embeddings(path)[1][0] for path in paths])

    def decode(self, path):
        """The photo and how many times smaller it is than the file says."""
        # Only the header: what a caller knows who keeps the sizes of photos, for nothing here.
        width, height = self.sizes.get(path) or self.sizes.setdefault(path, cv2.imread(str(path)).shape[1::-1])
        longest = max(width, height)
        least = longest * self.scale(longest)
        reduction = max(n for n in (1, 2, 4, 8) if n == 1 or longest / n >= least)
        flags = {1: cv2.IMREAD_COLOR, 2: cv2.IMREAD_REDUCED_COLOR_2, 4: cv2.IMREAD_REDUCED_COLOR_4}
        return cv2.imread(str(path), flags.get(reduction, cv2.IMREAD_REDUCED_COLOR_8)), reduction, longest

    sizes = {}

    @staticmethod
    def scale(longest):
        return min(1, max(USUAL_SIDE / longest, SMALLEST_SEEN / MIN_FACE), LONGEST_SIDE / longest)

    def embeddings(self, path):
        image, reduction, longest = self.decode(path)
        scale = longest * self.scale(longest) / max(image.shape[:2])
        small = image
        if scale < 1:
            small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        self.detector.setInputSize(small.shape[1::-1])
        found = self.detector.detect(small)[1]
        if found is None:
            return [], []
        found[:, :14] *= image.shape[1] / small.shape[1]
        found = found[numpy.argsort(-found[:, 2] * found[:, 3])]
        given = []
        for face in found:
            chip = self.aligner.alignCrop(image, face)
            # Twice as fast as arithmetic in numpy.
            blob = cv2.dnn.blobFromImageWithParams(chip, self.params)
            embedding = self.embedder.run(None, {self.input: blob})[0][0]
            given.append(embedding / numpy.linalg.norm(embedding))
        return found[:, :4] * reduction, given

    params = cv2.dnn.Image2BlobParams()
    params.scalefactor, params.mean, params.swapRB = tuple(map(float, faces.SCALE)), tuple(map(float, faces.MEAN)), True

    def identify(self, path):
        boxes, embeddings = self.embeddings(path)
        people = []
        for embedding in embeddings:
            distances = numpy.linalg.norm(self.gallery - embedding, axis=1)
            nearest = int(distances.argmin())
            people.append(self.names[nearest] if distances[nearest] < THRESHOLD else "-")
        return boxes, people

    def times(self, path, count):
        times = []
        for _ in range(count):
            start = time.perf_counter()
            self.identify(path)
            times.append((time.perf_counter() - start) * 1e3)
        return times


def overlap(a, b):
    """Intersection over union of two boxes."""
    sides = [min(a[i] + a[i + 2], b[i] + b[i + 2]) - max(a[i], b[i]) for i in (0, 1)]
    both = max(0, sides[0]) * max(0, sides[1])
    return both / (a[2] * a[3] + b[2] * b[3] - both)


def agree(ours, peer, path):
    """Both name the person and find the face at the same place; anything else ends the run."""
    count, name, *box = ours.ask("who", path).split()
    boxes, people = peer.identify(path)
    if int(count) != len(people) or name != people[0] or name != PERSON:
        raise SystemExit(f"{path}: {count} faces, {name}; {peer.name}: {people}")
    return round(overlap([float(side) for side in box], boxes[0].tolist()), 3)


def measure(name, ours, peer):
    path = photo_of(name)
    sides = [lambda count: ours.times("run", path, count), lambda count: peer.times(path, count)]
    same = agree(ours, peer, path)
    counts = []
    for side in sides:
        side(2)
        counts.append(max(1, round(ROUND_MS / statistics.median(side(3)))))
    rounds = turns.in_turns(ROUNDS, [lambda _, side=side, n=n: side(n) for side, n in zip(sides, counts)])
    times = [[time for some in each for time in some] for each in rounds]
    size = {"file_bytes": path.stat().st_size, "width": SIZES[name][0], "height": SIZES[name][1]}
    return turns.compare(f"identify {name}", times[0], peer.name, times[1], **size, box_overlap=same)


def main():
    load_before = os.getloadavg()[0]
    ours, peer = turns.Child(OURS, KNOWN, turns.MODELS), Peer()
    lines = [turns.show(measure(name, ours, peer)) for name in SIZES]
    peers = f"opencv {cv2.__version__}, onnxruntime {onnxruntime.__version__}, one thread each"
    turns.keep("identify", lines, load_before, peers)


if __name__ == "__main__":
    turns.FOLDER.mkdir(parents=True, exist_ok=True)
    main()
