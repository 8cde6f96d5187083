#!/bin/sh
# Compares with other libraries: `make compare WORK=…`. One JSON line each on standard output.
set -eu
cd "$(dirname "$0")/../.."

here=$PWD/benches/compare
work=${1-}
case $work in
    search | search-open | inference | identify | accuracy | detection) python=$(tests/peers/venv.sh "$here" compare-venv) ;;
    original) ;;
    *)
        echo "usage: make compare WORK=search|search-open|inference|identify|accuracy|detection|original" >&2
        exit 2
        ;;
esac
shift
case $work in
    accuracy | detection | original)
        original=$(tests/peers/venv.sh "$here/original" compare-original-venv)
        "$original" -m pip install --quiet --disable-pip-version-check --no-deps face_recognition==1.3.0 >&2
        ;;
esac

# The peers choose their fastest code themselves.
unset OPENBLAS_CORETYPE OPENBLAS_L2_SIZE
"${CARGO:-cargo}" build --release --workspace --bins --examples >&2
case $work in
    search*) exec "$python" benches/compare/search.py "$work" ;;
    original) exec "$original" benches/compare/original/original.py ;;
    *) exec "$python" "benches/compare/$work.py" "$@" ;;
esac
