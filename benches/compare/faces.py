"""Photos and aligned faces that both sides are given, found by OpenCV."""

import cv2
import numpy

import turns

# MobileFaceNet's input, as models/manifest.toml has it.
MEAN = numpy.float32([123.675, 116.28, 103.53])
SCALE = numpy.float32([0.017124754, 0.017507003, 0.017429194])
LONGEST_SIDE = 640

# It warns of every network that it loads.
cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_ERROR)


def detector(model, size):
    return cv2.FaceDetectorYN.create(str(model), "", size, score_threshold=0.6, nms_threshold=0.3)


def aligner():
    """Aligns to the template of ArcFace. Its network is never run."""
    return cv2.FaceRecognizerSF.create(str(turns.MODELS / "mobilefacenet.onnx"), "")


def photos():
    """Photos of faces: those of LFW where they are, else the repository's own few."""
    lfw = sorted((turns.SHARED / "data/lfw-dev/images").rglob("*.jpg"))
    return lfw or sorted([*turns.ROOT.glob("known_people/*.jpg"), *turns.ROOT.glob("examples/*.jpg")])


def largest_face(image):
    scale = min(1.0, LONGEST_SIDE / max(image.shape[:2]))
    small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    found = detector(turns.MODELS / "yunet_n_dynamic.onnx", small.shape[1::-1]).detect(small)[1]
    if found is None:
        return None
    face = max(found, key=lambda face: face[2] * face[3]).copy()
    face[:14] /= scale
    return face


def chips(count):
    """So many aligned faces, 112×112 BGR, of photos that are spread over all there are."""
    paths, align = photos(), aligner()
    given = []
    for path in paths[:: max(1, len(paths) // (2 * count))]:
        image = cv2.imread(str(path))
        face = largest_face(image)
        if face is not None:
            given.append(align.alignCrop(image, face))
        if len(given) == count:
            break
    if not given:
        raise SystemExit("no face was found on any photo")
    return given


def planes(image, mean=(0, 0, 0), scale=(1, 1, 1), bgr=False):
    """As networks take it: [3, height, width]."""
    ordered = image if bgr else image[:, :, ::-1]
    return numpy.ascontiguousarray(((ordered - numpy.float32(mean)) * numpy.float32(scale)).transpose(2, 0, 1))
