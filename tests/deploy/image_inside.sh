#!/bin/sh
# image_inside.sh ROOT REPOSITORY PROGRAM: the part of image.sh that runs in namespaces of its own.
set -eu

mounted=$1
root=$2
program=$3
# What differs between the two: `folder`, which can be written, `environment`, `serve`, `is_ready`, `person_on PHOTO`.
. "$root/tests/deploy/image_$program.sh"

ip link set lo up
mount --bind "$mounted" "$mounted"
mount -t proc proc "$mounted/proc"
mount -t tmpfs -o mode=0755 dev "$mounted/dev"
for device in null zero full random urandom; do
    touch "$mounted/dev/$device"
    mount --bind "/dev/$device" "$mounted/dev/$device"
done
mount --bind -o ro "$root/known_people" "$mounted/known_people"
mount --bind -o ro "$root/examples" "$mounted/unknown_people"
mount -t tmpfs -o uid=65532,gid=65532,mode=0700 data "$mounted/$folder"
mount -o remount,bind,ro "$mounted"
run() {
    env -i PATH="$PATH" $environment \
        setpriv --no-new-privs --bounding-set=-all,+sys_chroot,+setuid,+setgid \
        chroot --userspec=65532:65532 "$mounted" "/$program" "$@"
}

serve 2>"$mounted/$folder/log" &
server=$!
ready=no
for _ in $(seq 100); do
    if is_ready >/dev/null 2>&1; then ready=yes; break; fi
    sleep 0.2
done
[ "$ready" = yes ] || { echo "not ready:"; cat "$mounted/$folder/log"; exit 1; }

tail -n +2 "$root/examples/expected.csv" | while IFS=, read -r photo expected _; do
    person=$(person_on "$photo") || { cat "$mounted/$folder/log"; exit 1; }
    echo "$photo: $person"
    [ "$person" = "$expected" ] || { echo "not $expected"; exit 1; }
done

pid=$(pgrep -x -o "$program")
grep -E '^(Uid|Gid|CapEff|CapBnd|NoNewPrivs):' "/proc/$pid/status" >"$mounted/$folder/rights"
cat "$mounted/$folder/rights"
grep -qP '^Uid:\t65532\t65532\t65532\t65532$' "$mounted/$folder/rights"
grep -qP '^CapEff:\t0+$' "$mounted/$folder/rights"
if touch "$mounted/somewhere" 2>/dev/null; then echo "the root is writable"; exit 1; fi

kill -TERM "$pid"
wait "$server" || { echo "ended with $?"; cat "$mounted/$folder/log"; exit 1; }
echo "ready, answered, ended: as uid 65532 on a read-only root"
