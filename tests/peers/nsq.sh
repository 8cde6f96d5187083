#!/bin/sh
# The real NSQ. Installs it first when it is not there: in the target folder, once however many tests ask.
#   nsq.sh                            prints the folder that nsqd and nsqlookupd are in
#   nsq.sh nsqlookupd FOLDER [FLAG…]  becomes nsqlookupd
#   nsq.sh nsqd FOLDER [FLAG…]        becomes nsqd, known to the nsqlookupd of the FOLDER, its data in there
# Ports are free ones at the first start and stay the same: FOLDER/nsqd.tcp, FOLDER/nsqd.http, FOLDER/nsqlookupd.tcp
# and FOLDER/nsqlookupd.http hold the addresses (`127.0.0.1:port`). A daemon listens once its HTTP address answers
# /ping. It is the process that was started: kill it, and start it again by the same command.
# Environment: NSQ_LOOKUP_FOLDER, another folder whose nsqlookupd nsqd is to be known to.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
target=${CARGO_TARGET_DIR:-target}
case $target in
    /*) ;;
    *) target=$root/$target ;;
esac
programs=$target/peers-nsq

mkdir -p "$programs"
exec 9>"$programs.lock"
flock 9
# Copied last: an installation that was broken off is begun anew.
if ! cmp -s "$here/nsq/go.sum" "$programs/go.sum"; then
    (cd "$here/nsq" && GOBIN=$programs GOFLAGS=-mod=mod go install \
        github.com/nsqio/nsq/apps/nsqd github.com/nsqio/nsq/apps/nsqlookupd) >&2
    cp "$here/nsq/go.sum" "$programs/go.sum"
fi
if [ $# -eq 0 ]; then
    echo "$programs"
    exit
fi

# address FILE: what it holds, a free address first when there is none.
address() {
    if [ ! -s "$1" ]; then
        python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print("127.0.0.1:%d" % s.getsockname()[1])' \
            >"$1.new"
        mv "$1.new" "$1"
    fi
    cat "$1"
}

daemon=$1
folder=$2
shift 2
mkdir -p "$folder/data"
tcp=$(address "$folder/$daemon.tcp")
http=$(address "$folder/$daemon.http")
lookup=$(address "${NSQ_LOOKUP_FOLDER:-$folder}/nsqlookupd.tcp")
# The daemon is not to inherit the lock.
exec 9>&-
case $daemon in
    nsqlookupd)
        exec "$programs/nsqlookupd" --broadcast-address 127.0.0.1 --tcp-address "$tcp" --http-address "$http" "$@"
        ;;
    nsqd)
        exec "$programs/nsqd" --broadcast-address 127.0.0.1 --data-path "$folder/data" --tcp-address "$tcp" \
            --http-address "$http" --lookupd-tcp-address "$lookup" "$@"
        ;;
    *)
        echo "nsq.sh: $daemon is neither nsqd nor nsqlookupd" >&2
        exit 2
        ;;
esac
