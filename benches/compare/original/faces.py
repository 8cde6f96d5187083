#!/usr/bin/env python3
"""Faces by face_recognition, the library of the original service, with its defaults: for each path on standard input a
line of JSON, the boxes `[x, y, width, height]`."""

import concurrent.futures
import json
import sys
import warnings

warnings.filterwarnings("ignore", "pkg_resources")
import face_recognition  # noqa: E402


def boxes(path):
    found = face_recognition.face_locations(face_recognition.load_image_file(path))
    return [[left, top, right - left, bottom - top] for top, right, bottom, left in found]


def main():
    with concurrent.futures.ProcessPoolExecutor() as pool:
        for answer in pool.map(boxes, sys.stdin.read().splitlines(), chunksize=4):
            print(json.dumps(answer))


if __name__ == "__main__":
    main()
