"""Embeddings of faces whose landmarks are given, as OpenCV's FaceRecognizerSF and InsightFace's ArcFaceONNX make them.

    python embedder_opencv.py sface|arcface MODEL FOLDER <PHOTOS.json

Standard input is a JSON list of {"photo", "landmarks": [[x, y] × 5]}, image-left eye first. Each face is aligned by OpenCV's
alignCrop, whose template is ArcFace's. `sface` then asks FaceRecognizerSF.feature; `arcface` runs the file on ONNX Runtime
with what `ArcFaceONNX.get_feat` makes of a crop: RGB, (x − 127.5) / 127.5. Writes the crops into FOLDER and prints a JSON list of
{"crop", "embedding"}; embeddings are scaled to length 1.
"""

import json
import sys

import cv2
import numpy
import onnxruntime


def row(face):
    """As FaceDetectorYN gives faces; of these numbers only the landmarks count."""
    return numpy.float32([[0, 0, 1, 1, *numpy.ravel(face["landmarks"]), 1]])


def main():
    kind, model, folder = sys.argv[1:]
    faces = json.load(sys.stdin)
    recognizer = cv2.FaceRecognizerSF.create(model, "")
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    embeddings = []
    for number, face in enumerate(faces):
        crop = recognizer.alignCrop(cv2.imread(face["photo"], cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION), row(face))
        if kind == "sface":
            embedding = recognizer.feature(crop)[0]
        else:
            blob = cv2.dnn.blobFromImages([crop], 1.0 / 127.5, (112, 112), (127.5,) * 3, swapRB=True)
            embedding = session.run(None, {name: blob})[0][0]
        path = f"{folder}/crop-{number}.png"
        cv2.imwrite(path, crop)
        embedding = (embedding / numpy.linalg.norm(embedding)).astype(float).tolist()
        embeddings.append({"crop": path, "embedding": embedding})
    json.dump(embeddings, sys.stdout)
    print()


if __name__ == "__main__":
    main()
