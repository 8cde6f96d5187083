#!/bin/sh
# Compares with other libraries: `make compare WORK=…`. One JSON line each on standard output.
set -eu
cd "$(dirname "$0")/../.."

work=${1-}
case $work in
    search | search-open | inference | identify) ;;
    accuracy | original)
        echo "WORK=$work: there is no such comparison yet" >&2
        exit 1
        ;;
    *)
        echo "usage: make compare WORK=search|search-open|inference|identify" >&2
        exit 2
        ;;
esac

# The peers choose their fastest code themselves.
unset OPENBLAS_CORETYPE OPENBLAS_L2_SIZE
python=$(tests/peers/venv.sh "$PWD/benches/compare" compare-venv)
"${CARGO:-cargo}" build --release --workspace --examples >&2
case $work in
    search*) exec "$python" benches/compare/search.py "$work" ;;
    *)
        shift
        exec "$python" "benches/compare/$work.py" "$@"
        ;;
esac
