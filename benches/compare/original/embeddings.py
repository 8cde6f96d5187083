#!/usr/bin/env python3
"""Embeddings by face_recognition, the library of the original service, with its defaults: for each path on standard input
a line of JSON, 128 numbers of the face nearest to the middle, or null where no face is found."""

import photos
from photos import face_recognition


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


if __name__ == "__main__":
    photos.answer(embedding, at_once=16)
