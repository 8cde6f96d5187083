#!/bin/sh
# build.sh FOLDER: compiles the programs as static binaries into FOLDER, for images with nothing else in them.
#
# glibc, linked statically, and not musl: the recognizer allocates from all of its threads, and musl's allocator has
# one lock for them. It takes no other compiler either. glibc resolves names from /etc/hosts and DNS without the
# plugins that it usually loads, and that is all there is in a container.
set -eu

folder=$1
cd "$(dirname "$0")/.."
# A target of its own, so that the flags hold for the binaries alone and not for what runs during the build.
target=$(rustc --print host-tuple)
# Relocations packed: a static binary that may be loaded anywhere has a megabyte of them otherwise.
RUSTFLAGS="-C target-feature=+crt-static -C link-arg=-Wl,-z,pack-relative-relocs" \
    "${CARGO:-cargo}" build --locked --profile dist --target "$target" \
    --package recognizer-server --package facerecog-pipeline --bins
# Empty: the folders of the image are copies of it.
mkdir -p "$folder/empty"
cp "${CARGO_TARGET_DIR:-target}/$target/dist/recognizer" "${CARGO_TARGET_DIR:-target}/$target/dist/pipeline" "$folder/"
