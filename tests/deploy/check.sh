#!/bin/sh
# check.sh RECOGNIZER PIPELINE: checks the manifests in deploy/ against the two programs; see check.py. Makes a Python
# environment and two tools in the target folder first.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
python=$(sh "$here/../peers/venv.sh" "$here" deploy-venv)
kustomize=$(sh "$here/tool.sh" kustomize)
compose=$(sh "$here/tool.sh" compose)
exec "$python" "$here/check.py" --kustomize "$kustomize" --compose "$compose" --recognizer "$1" --pipeline "$2"
