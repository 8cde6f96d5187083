#!/bin/sh
# Prints the Python interpreter that the scripts here run in. Makes its virtual environment first when
# there is none for the present requirements.txt: in the target folder, once however many tests ask.
# venv.sh [FOLDER NAME]: for the requirements.txt of another folder, under a name of its own.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
requirements=${1:-$here}/requirements.txt
target=${CARGO_TARGET_DIR:-target}
case $target in
    /*) ;;
    *) target=$root/$target ;;
esac
environment=$target/${2:-peers-venv}
# Copied last: an installation that was broken off is begun anew.
installed=$environment/requirements.txt

mkdir -p "$target"
exec 9>"$environment.lock"
flock 9
if [ ! -x "$environment/bin/python" ] || ! cmp -s "$requirements" "$installed"; then
    rm -rf "$environment"
    python3 -m venv "$environment" >&2
    "$environment/bin/python" -m pip install --quiet --disable-pip-version-check \
        --requirement "$requirements" >&2
    cp "$requirements" "$installed"
fi
echo "$environment/bin/python"
