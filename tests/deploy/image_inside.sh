#!/bin/sh
# image_inside.sh ROOT REPOSITORY: the part of image.sh that runs in namespaces of its own.
set -eu

mounted=$1
root=$2
ip link set lo up
mount --bind "$mounted" "$mounted"
mount -t proc proc "$mounted/proc"
mount --bind -o ro "$root/known_people" "$mounted/known_people"
mount --bind -o ro "$root/examples" "$mounted/unknown_people"
mount -t tmpfs -o uid=65532,gid=65532,mode=0700 index "$mounted/index"
mount -o remount,bind,ro "$mounted"
run() {
    env -i PATH="$PATH" KNOWN_PEOPLE=/known_people FACERECOG_INDEX=/index FACERECOG_IMAGE_ROOTS=/unknown_people \
        setpriv --no-new-privs --bounding-set=-all,+sys_chroot,+setuid,+setgid \
        chroot --userspec=65532:65532 "$mounted" /recognizer "$@"
}

run serve 2>"$mounted/index/log" &
server=$!
ready=no
for _ in $(seq 100); do
    if run call health >/dev/null 2>&1; then ready=yes; break; fi
    sleep 0.2
done
[ "$ready" = yes ] || { echo "not ready:"; cat "$mounted/index/log"; exit 1; }

tail -n +2 "$root/examples/expected.csv" | while IFS=, read -r photo person _; do
    answer=$(run call identify "/unknown_people/$photo") || exit 1
    echo "$answer"
    [ "${answer##*: }" = "$person" ] || { echo "not $person"; exit 1; }
done

status=/proc/$(pgrep -x -o recognizer)/status
grep -E '^(Uid|Gid|CapEff|CapBnd|NoNewPrivs):' "$status" >"$mounted/index/rights"
cat "$mounted/index/rights"
grep -qP '^Uid:\t65532\t65532\t65532\t65532$' "$mounted/index/rights"
grep -qP '^CapEff:\t0+$' "$mounted/index/rights"
if touch "$mounted/somewhere" 2>/dev/null; then echo "the root is writable"; exit 1; fi

kill -TERM "$(pgrep -x -o recognizer)"
wait "$server" || { echo "ended with $?"; cat "$mounted/index/log"; exit 1; }
echo "ready, answered, ended: as uid 65532 on a read-only root"
