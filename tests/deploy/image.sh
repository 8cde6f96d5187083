#!/bin/sh
# image.sh IMAGE PROGRAM: runs the image of `recognizer` or `pipeline` as a cluster would, without one: uid 65532, no
# capabilities, no new privileges, one folder that can be written, no network but its own loopback. It must become
# ready, name the people on examples/ rightly, keep to its rights, and end with status 0 at SIGTERM. Takes root,
# buildah, curl, and util-linux.
set -eu

image=$1
program=$2
root=$(cd "$(dirname "$0")/../.." && pwd)
container=$(buildah from --pull-never "$image")
trap 'buildah rm "$container" >/dev/null' EXIT
mounted=$(buildah mount "$container")
# What a runtime adds to an image.
mkdir -p "$mounted/proc" "$mounted/etc" "$mounted/dev"
echo "127.0.0.1 localhost" >"$mounted/etc/hosts"

unshare --mount --net --pid --fork --kill-child --mount-proc \
    sh "$root/tests/deploy/image_inside.sh" "$mounted" "$root" "$program"
