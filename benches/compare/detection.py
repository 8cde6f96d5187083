#!/usr/bin/env python3
"""Faces that others miss: recall of facerecog, of OpenCV's YuNet and of the original's HOG for each kind of photo.

The photos are made of those of LFW, each of which has the face of one person: close to the camera, small among many,
turned, dark, from the side. Where the face is on a photo as it comes is known from OpenCV's YuNet, at a score of 0.9; a
photo is right when the middle of a face that was found lies in the middle half of it. Beside them photos of groups whose
faces were counted, and photos without faces, with false faces in place of recall.

Prints one JSON line for each and keeps them in benches/results/<date>-<cpu>-detection.csv. Run by
`make compare WORK=detection`.
"""

import dataclasses
import json
import math
import os
import pathlib
import subprocess
import tempfile

import cv2
import numpy

import faces
import turns

RECOGNIZER = turns.TARGET / "release/recognizer"
YUNET = turns.MODELS / "yunet_n_dynamic.onnx"
DATA = turns.SHARED / "data"
# Of each kind.
COUNT = 200
# Photos of a group, in columns and rows, and the sides of each.
GRID, TILE = (24, 16), 160
OURS = {"builtin": ("builtin",), "fast": ("fast",), "fast --try-turned": ("fast", "--try-turned")}


@dataclasses.dataclass
class Photo:
    image: numpy.ndarray
    # Of each face, the box `x, y, width, height`.
    boxes: list


def boxes_and_scores(image, score=0.6):
    """OpenCV's YuNet on a photo whose longer side is at most 640 pixels."""
    scale = min(1.0, faces.LONGEST_SIDE / max(image.shape[:2]))
    small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA) if scale < 1 else image
    detector = faces.detector(YUNET, small.shape[1::-1])
    detector.setScoreThreshold(score)
    found = detector.detect(small)[1]
    return [] if found is None else [(face[:14] / scale, face[14]) for face in found]


def sources():
    """Photos of LFW on which one face is certain, with its box and landmarks."""
    paths = sorted((DATA / "lfw-dev/images").rglob("*.jpg"))
    for path in paths:
        image = cv2.imread(str(path))
        found = boxes_and_scores(image, score=0.9)
        if len(found) == 1:
            yield image, found[0][0]


def close_up(image, face):
    """The face is larger than the photo: forehead, chin and cheeks are cut off."""
    x, y, width, height = face[:4]
    side = max(width, height) * 0.8
    centre = numpy.float32([x + width / 2, y + height / 2])
    scale = 640 / side
    move = numpy.float32([[scale, 0, 320 - scale * centre[0]], [0, scale, 320 - scale * centre[1]]])
    box = numpy.float32([320 - scale * width / 2, 320 - scale * height / 2, scale * width, scale * height])
    return Photo(cv2.warpAffine(image, move, (640, 640), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE), [box])


def turned(image, face, degrees):
    height, width = image.shape[:2]
    middle = (width / 2 - 0.5, height / 2 - 0.5)
    turn = cv2.getRotationMatrix2D(middle, degrees, 1.0)
    centre = turn @ [face[0] + face[2] / 2, face[1] + face[3] / 2, 1]
    side = min(face[2], face[3])
    image = cv2.warpAffine(image, turn, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
    return Photo(image, [numpy.float32([*(centre - side / 2), side, side])])


def dark(image, face):
    """A fifteenth of the light, and the noise of a camera's sensor."""
    noise = numpy.random.default_rng(1).normal(0, 2, image.shape)
    return Photo((image / 15 + noise).clip(0, 255).astype(numpy.uint8), [face[:4]])


def group(some):
    """Many people on one photo of 10 megapixels: their faces are about 60 pixels wide."""
    columns, rows = GRID
    image = numpy.zeros((rows * TILE, columns * TILE, 3), numpy.uint8)
    boxes = []
    for place, (tile, face) in enumerate(some[: columns * rows]):
        y, x = place // columns * TILE, place % columns * TILE
        image[y : y + TILE, x : x + TILE] = cv2.resize(tile, (TILE, TILE), interpolation=cv2.INTER_AREA)
        boxes.append(face[:4] * (TILE / tile.shape[1]) + [x, y, 0, 0])
    return Photo(image, boxes)


def yaw(face):
    """How far the nose is from the middle between the eyes, in distances of the eyes."""
    eyes, nose = face[4:8].reshape(2, 2), face[8:10]
    return abs(nose[0] - eyes[:, 0].mean()) / numpy.linalg.norm(eyes[1] - eyes[0])


def kinds():
    known = list(sources())
    some = known[:: len(known) // COUNT][:COUNT]
    sides = sorted(known, key=lambda known: yaw(known[1]))[-COUNT:]
    yield "as they come", [Photo(image, [face[:4]]) for image, face in some]
    yield "close-ups", [close_up(*known) for known in some]
    at_once = math.prod(GRID)
    yield "small, in groups", [group(known[first : first + at_once]) for first in range(0, 2 * at_once, at_once)]
    for degrees in (30, 45, 90, 180):
        yield f"turned by {degrees}°", [turned(*known, degrees) for known in some]
    yield "dark", [dark(*known) for known in some]
    yield "from the side", [Photo(image, [face[:4]]) for image, face in sides]


def is_found(box, found):
    x, y, width, height = box
    return any(
        abs(left + wide / 2 - x - width / 2) < width / 4 and abs(top + high / 2 - y - height / 2) < height / 4
        for left, top, wide, high in found
    )


def ours(folder, pack, *options):
    command = [RECOGNIZER, "--json", "--models", turns.MODELS, "--pack", pack, "detect", *options, folder]
    answer = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    records = [json.loads(line) for line in answer.splitlines()]
    return {record["photo"]: [face["bbox"] for face in record["faces"]] for record in records if "faces" in record}


def yunet(paths):
    return {str(path): [box[:4] for box, _ in boxes_and_scores(cv2.imread(str(path)))] for path in paths}


def hog(paths):
    return dict(zip(map(str, paths), turns.original("faces.py", paths), strict=True))


def detectors():
    for name, words in OURS.items():
        yield f"facerecog {name}", lambda paths, words=words: ours(os.path.commonpath(map(os.path.dirname, paths)), *words)
    yield "opencv yunet, 640 pixels", yunet
    yield "face_recognition hog", hog


def measure(work, paths, rate):
    lines = []
    for name, detect in detectors():
        found = detect(paths)
        lines.append(turns.show({"work": work, "detector": name, **rate([found.get(str(path), []) for path in paths])}))
    return lines


def main():
    if not (DATA / "lfw-dev").is_dir():
        raise SystemExit(f"{DATA}/lfw-dev: not there; set FACERECOG_SHARED to the folder that has it")
    load_before, lines = os.getloadavg()[0], []
    for kind, photos in kinds():
        with tempfile.TemporaryDirectory() as folder:
            paths = [pathlib.Path(folder) / f"{index:04}.png" for index in range(len(photos))]
            for path, photo in zip(paths, photos):
                cv2.imwrite(str(path), photo.image)

            def recall(found, photos=photos):
                pairs = [(box, boxes) for photo, boxes in zip(photos, found) for box in photo.boxes]
                right = sum(is_found(box, boxes) for box, boxes in pairs)
                return {"faces": len(pairs), "found": right, "recall": round(right / len(pairs), 4)}

            lines += measure(kind, paths, recall)
    counts = json.loads((DATA / "groups/counts.json").read_text())
    counts = {DATA / "groups" / name: count for name, count in counts.items() if isinstance(count, int) and count > 0}

    def counted(found):
        right = sum(min(len(boxes), count) for boxes, count in zip(found, counts.values()))
        more = sum(max(len(boxes) - count, 0) for boxes, count in zip(found, counts.values()))
        return {"faces": sum(counts.values()), "found": right, "false": more}

    lines += measure("groups", list(counts), counted)
    without = sorted(path for path in (DATA / "no-face").rglob("*") if path.suffix in (".jpg", ".png"))
    lines += measure(
        "without a face", without, lambda found: {"photos": len(found), "false": sum(len(boxes) for boxes in found)}
    )
    turns.keep("detection", lines, load_before, f"opencv {cv2.__version__}, face_recognition 1.3.0")


if __name__ == "__main__":
    main()
