#!/usr/bin/env python3
"""Embeddings by face_recognition, the library of the original service, with its defaults: for each path on standard input
a line of JSON, 128 numbers of the face nearest to the middle, or null where no face is found."""

import concurrent.futures
import json
import sys
import warnings

warnings.filterwarnings("ignore", "pkg_resources")
import face_recognition  # noqa: E402


def embedding(path):
    image = face_recognition.load_image_file(path)
    found = face_recognition.face_locations(image)
    if not found:
        return None
    height, width = image.shape[:2]

    def from_middle(box):
        top, right, bottom, left = box
        return (left + right - width) ** 2 + (top + bottom - height) ** 2

    return face_recognition.face_encodings(image, [min(found, key=from_middle)])[0].tolist()


def main():
    paths = sys.stdin.read().splitlines()
    with concurrent.futures.ProcessPoolExecutor() as pool:
        for answer in pool.map(embedding, paths, chunksize=16):
            print(json.dumps(answer))


if __name__ == "__main__":
    main()
