#!/bin/sh
# Prints the Chromium that drive.py drives. Installs the system's when there is none, with fonts to measure texts by.
set -eu

find_chromium() {
    for name in chromium chromium-browser google-chrome; do
        command -v "$name" && return
    done
    return 1
}

find_chromium && exit
exec 9>"${TMPDIR:-/tmp}/facerecog-chromium.lock"
flock 9
find_chromium && exit
as_root=
[ "$(id -u)" = 0 ] || as_root=sudo
$as_root apt-get update -qq >&2
$as_root env DEBIAN_FRONTEND=noninteractive \
    apt-get install -y -qq --no-install-recommends chromium fonts-liberation fonts-dejavu-core >&2
find_chromium
