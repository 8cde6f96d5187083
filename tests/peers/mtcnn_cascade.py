"""The MTCNN cascade on ONNX Runtime and OpenCV: the reference for the engine's own cascade.

    python mtcnn_cascade.py MODELS_DIR PHOTO...
    python mtcnn_cascade.py MODELS_DIR --counts GROUPS_DIR [--no-face DIR]

The first form prints one JSON list: photo, width, height, faces of bbox [x, y, w, h], landmarks
(image-left eye, image-right eye, nose tip, image-left and image-right mouth corner) and score.
The second holds the faces against GROUPS_DIR/counts.json and prints found, wanted and false ones.

The steps are those of facenet-pytorch 2.6.0 (`detect_face`), with one difference that `--crop clip`
undoes: a crop that leaves the photo is padded with zeros instead of cut at the border and stretched,
which ruins landmarks on tight portraits.
"""

import argparse
import json
import sys
from pathlib import Path

import cv2
import numpy as np
import onnxruntime

MIN_FACE = 40
PYRAMID_FACTOR = 0.709
THRESHOLDS = (0.6, 0.7, 0.7)
PNET_CELL = 12
PNET_STRIDE = 2
NET_BATCH = 512


def read_rgb(photo):
    """The photo as stored: EXIF orientation is not applied. None when OpenCV cannot read it."""
    bgr = cv2.imread(str(photo), cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    return None if bgr is None else np.ascontiguousarray(bgr[:, :, ::-1])


def load_net(models, stem):
    """Finds NAME.onnx as committed (mtcnn_pnet) or as measured first (pnet_f16)."""
    for name in (f"mtcnn_{stem}.onnx", f"{stem}_f16.onnx"):
        if (models / name).exists():
            options = onnxruntime.SessionOptions()
            options.intra_op_num_threads = 1
            return onnxruntime.InferenceSession(
                str(models / name), options, providers=["CPUExecutionProvider"]
            )
    raise SystemExit(f"no {stem} in {models}")


def run_net(net, crops):
    """Outputs by name; `crops` is a list of H×W×3 byte arrays of one size, RGB."""
    names = [output.name for output in net.get_outputs()]
    parts = []
    for start in range(0, len(crops), NET_BATCH):
        batch = np.stack(crops[start : start + NET_BATCH]).transpose(0, 3, 1, 2)
        parts.append(net.run(None, {"input": np.ascontiguousarray(batch, np.float32)}))
    return {name: np.concatenate([part[i] for part in parts]) for i, name in enumerate(names)}


def resize(image, width, height):
    """OpenCV's INTER_AREA on bytes, rounded to bytes: each output pixel is the mean of the source
    rectangle it covers, pixels on its edge weighed by the part covered. Where either side grows it
    is OpenCV's bilinear variant instead, which repeats pixels except across their borders.

    Without the rounding to bytes one more false face appears (0.736, a false one beside a portrait).
    """
    return cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)


def suppress(boxes, scores, threshold, smaller=False, inclusive=False):
    """Greedy non-maximum suppression, best score first; keeps boxes that overlap by <= threshold.

    Overlap is intersection over union, or over the smaller box when `smaller` is set. With
    `inclusive` a side is x2 - x1 + 1 long, else x2 - x1.
    """
    extra = 1.0 if inclusive else 0.0
    x1, y1, x2, y2 = boxes.T
    area = (x2 - x1 + extra) * (y2 - y1 + extra)
    order = np.argsort(-scores, kind="stable")
    keep = []
    while order.size:
        best, rest = order[0], order[1:]
        keep.append(best)
        w = np.maximum(0.0, np.minimum(x2[best], x2[rest]) - np.maximum(x1[best], x1[rest]) + extra)
        h = np.maximum(0.0, np.minimum(y2[best], y2[rest]) - np.maximum(y1[best], y1[rest]) + extra)
        shared = w * h
        if smaller:
            overlap = shared / np.minimum(area[best], area[rest])
        else:
            overlap = shared / (area[best] + area[rest] - shared)
        order = rest[overlap <= threshold]
    return np.array(keep, dtype=np.int64)


def pyramid(width, height, min_face):
    """Scales from the one that makes `min_face` a P-Net cell down to a 12-pixel photo."""
    scale = PNET_CELL / min_face
    side = min(width, height) * scale
    scales = []
    while side >= PNET_CELL:
        scales.append(scale)
        scale *= PYRAMID_FACTOR
        side *= PYRAMID_FACTOR
    return scales


def square(boxes):
    """Grows the shorter side about the centre."""
    w = boxes[:, 2] - boxes[:, 0]
    h = boxes[:, 3] - boxes[:, 1]
    side = np.maximum(w, h)
    left = boxes[:, 0] + (w - side) * 0.5
    top = boxes[:, 1] + (h - side) * 0.5
    return np.stack([left, top, left + side, top + side], axis=1)


def refine(boxes, offsets):
    """R-Net's and O-Net's regression; a side counts as x2 - x1 + 1 there, not so in P-Net's."""
    w = (boxes[:, 2] - boxes[:, 0] + 1)[:, None]
    h = (boxes[:, 3] - boxes[:, 1] + 1)[:, None]
    return boxes + offsets * np.concatenate([w, h, w, h], axis=1)


def crop_faces(photo, boxes, side, padding):
    """Square crops of `side` pixels and the index of each box that has one.

    Corners are truncated towards zero and count from one, so that the crop's columns are
    x1 - 1 … x2 - 1 (zero-based, both included).
    """
    height, width = photo.shape[:2]
    crops, kept = [], []
    for index, (x1, y1, x2, y2) in enumerate(np.trunc(boxes).astype(np.int64)):
        if padding == "clip":
            x1, y1, x2, y2 = max(x1, 1), max(y1, 1), min(x2, width), min(y2, height)
        left, top = x1 - 1, y1 - 1
        if x2 <= left or y2 <= top:
            continue
        inside = photo[max(top, 0) : max(y2, 0), max(left, 0) : max(x2, 0)]
        if inside.size == 0:
            continue
        crop = np.zeros((y2 - top, x2 - left, 3), np.uint8)
        row, column = max(-top, 0), max(-left, 0)
        crop[row : row + inside.shape[0], column : column + inside.shape[1]] = inside
        crops.append(resize(crop, side, side))
        kept.append(index)
    return crops, np.array(kept, dtype=np.int64)


def propose(photo, pnet, min_face):
    """First stage: candidate squares of the whole pyramid."""
    height, width = photo.shape[:2]
    boxes, scores, offsets = [], [], []
    for scale in pyramid(width, height, min_face):
        shrunk = resize(photo, int(width * scale + 1), int(height * scale + 1))
        out = run_net(pnet, [shrunk])
        probability = out["prob"][0, 1]
        rows, columns = np.nonzero(probability >= THRESHOLDS[0])
        # float32 as in the original: floor() of a quotient on the edge depends on it.
        corner = np.stack([columns, rows], axis=1).astype(np.float32) * PNET_STRIDE
        near = np.floor((corner + 1) / np.float32(scale))
        far = np.floor((corner + PNET_CELL) / np.float32(scale))
        level_boxes = np.concatenate([near, far], axis=1)
        level_scores = probability[rows, columns]
        keep = suppress(level_boxes, level_scores, 0.5)
        boxes.append(level_boxes[keep])
        scores.append(level_scores[keep])
        offsets.append(out["reg"][0][:, rows, columns].T[keep])
    if not boxes:
        return np.zeros((0, 4), np.float32)
    boxes, scores, offsets = map(np.concatenate, (boxes, scores, offsets))
    keep = suppress(boxes, scores, 0.7)
    boxes, offsets = boxes[keep], offsets[keep]
    w = (boxes[:, 2] - boxes[:, 0])[:, None]
    h = (boxes[:, 3] - boxes[:, 1])[:, None]
    return square(boxes + offsets * np.concatenate([w, h, w, h], axis=1))


def detect(photo, nets, min_face=MIN_FACE, padding="zeros"):
    """Boxes [n,4] as x1, y1, x2, y2, landmarks [n,5,2] and scores [n], best first."""
    pnet, rnet, onet = nets
    nothing = np.zeros((0, 4)), np.zeros((0, 5, 2)), np.zeros(0)

    boxes = propose(photo, pnet, min_face)
    crops, kept = crop_faces(photo, boxes, 24, padding)
    if not crops:
        return nothing
    out = run_net(rnet, crops)
    scores = out["prob"][:, 1]
    passed = scores > THRESHOLDS[1]
    boxes, scores, offsets = boxes[kept][passed], scores[passed], out["reg"][passed]
    keep = suppress(boxes, scores, 0.7)
    boxes = square(refine(boxes[keep], offsets[keep]))

    crops, kept = crop_faces(photo, boxes, 48, padding)
    if not crops:
        return nothing
    out = run_net(onet, crops)
    scores = out["prob"][:, 1]
    passed = scores > THRESHOLDS[2]
    boxes, scores = boxes[kept][passed], scores[passed]
    offsets, points = out["reg"][passed], out["points"][passed]
    # Landmarks are relative to the box that O-Net was shown, before its own regression.
    w = (boxes[:, 2] - boxes[:, 0] + 1)[:, None]
    h = (boxes[:, 3] - boxes[:, 1] + 1)[:, None]
    landmarks = np.stack(
        [w * points[:, :5] + boxes[:, :1] - 1, h * points[:, 5:] + boxes[:, 1:2] - 1], axis=2
    )
    boxes = refine(boxes, offsets)
    keep = suppress(boxes, scores, 0.7, smaller=True, inclusive=True)
    return boxes[keep], landmarks[keep], scores[keep]


def describe(path, photo, found):
    """One photo's answer as it is printed."""
    boxes, landmarks, scores = found
    return {
        "photo": str(path),
        "width": photo.shape[1],
        "height": photo.shape[0],
        "faces": [
            {
                "bbox": [float(v) for v in (x1, y1, x2 - x1, y2 - y1)],
                "landmarks": [[float(x), float(y)] for x, y in points],
                "score": float(score),
            }
            for (x1, y1, x2, y2), points, score in zip(boxes, landmarks, scores)
        ],
    }


def hold_against_counts(nets, options):
    """Prints found, wanted and false faces of the counted group photos and of the faceless ones."""
    counts = json.loads((options.counts / "counts.json").read_text())
    found = wanted = false = 0
    for name, count in sorted(counts.items()):
        if not isinstance(count, int):
            continue
        faces = len(detect(read_rgb(options.counts / name), nets, options.min_face, options.crop)[0])
        wanted += count
        found += min(faces, count)
        false += max(faces - count, 0)
        if faces != count:
            print(f"{name}: {faces} faces, {count} counted", file=sys.stderr)
    result = {"found": found, "wanted": wanted, "false": false}
    if options.no_face:
        result |= {"faceless_photos": 0, "faces_on_faceless_photos": 0}
        for path in sorted(options.no_face.iterdir()):
            photo = read_rgb(path)
            if photo is None:
                continue
            scores = detect(photo, nets, options.min_face, options.crop)[2]
            result["faceless_photos"] += 1
            result["faces_on_faceless_photos"] += len(scores)
            if len(scores):
                print(f"{path.name}: {[round(float(s), 3) for s in scores]}", file=sys.stderr)
    print(json.dumps(result))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", type=Path)
    parser.add_argument("photos", type=Path, nargs="*")
    parser.add_argument("--counts", type=Path, help="folder of group photos with counts.json")
    parser.add_argument("--no-face", type=Path, help="folder of photos without a face")
    parser.add_argument("--min-face", type=float, default=MIN_FACE)
    parser.add_argument("--crop", choices=("zeros", "clip"), default="zeros")
    options = parser.parse_args()

    cv2.setNumThreads(1)
    nets = [load_net(options.models, stem) for stem in ("pnet", "rnet", "onet")]
    if options.counts:
        hold_against_counts(nets, options)
        return
    answers = []
    for path in options.photos:
        photo = read_rgb(path)
        if photo is None:
            raise SystemExit(f"{path}: cannot be read as a photo")
        answers.append(describe(path, photo, detect(photo, nets, options.min_face, options.crop)))
    json.dump(answers, sys.stdout)
    print()


if __name__ == "__main__":
    main()
