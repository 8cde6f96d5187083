#!/bin/sh
# The kernels' tests on 64-bit ARM, where NEON is: as they are on such a CPU, else emulated by QEMU, on a CPU that has
# all there is and on one without `sdot`. Takes some ten minutes; root installs by apt what is missing.
set -eu
cd "$(dirname "$0")/../../.."

cargo=${CARGO:-cargo}
tests="test --release --package facerecog-kernels"
if [ "$(uname -m)" = aarch64 ]; then
    exec $cargo $tests
fi

missing=
command -v aarch64-linux-gnu-gcc >/dev/null || missing="gcc-aarch64-linux-gnu libc6-dev-arm64-cross"
command -v qemu-aarch64-static >/dev/null || missing="$missing qemu-user-static"
if [ -n "$missing" ]; then
    if [ "$(id -u)" != 0 ]; then
        echo "missing: run as root: apt-get install $missing" >&2
        exit 1
    fi
    apt-get update -qq
    apt-get install -y --no-install-recommends $missing
fi
target=aarch64-unknown-linux-gnu
rustup target list --installed | grep -qx $target || rustup target add $target

export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc
# Runs the tests on a CPU of this name.
on() {
    cpu=$1
    shift
    CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER="qemu-aarch64-static -cpu $cpu -L /usr/aarch64-linux-gnu" \
        $cargo $tests --target $target "$@"
}
on max
on cortex-a72 --test naive
on cortex-a72 --lib -- neon::
