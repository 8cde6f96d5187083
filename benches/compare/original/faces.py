#!/usr/bin/env python3
"""Faces by face_recognition, the library of the original service, with its defaults: for each path on standard input a
line of JSON, the boxes `[x, y, width, height]`."""

import photos
from photos import face_recognition


def boxes(path):
    found = face_recognition.face_locations(face_recognition.load_image_file(path))
    return [[left, top, right - left, bottom - top] for top, right, bottom, left in found]


if __name__ == "__main__":
    photos.answer(boxes, at_once=4)
