#!/bin/sh
# A private MariaDB: in a folder of its own, on a free port of 127.0.0.1, with an empty database `kube`.
#   mariadb.sh start FOLDER [PID]  makes the folder when it is empty, starts the server, waits until it answers, and
#                                  prints the address, mysql://root:password123@127.0.0.1:PORT/kube
#                                  With PID, server and folder go when that process is gone.
#   mariadb.sh stop FOLDER         ends it in order; the folder stays, and can be started again on the same port
#   mariadb.sh kill FOLDER         ends it with SIGKILL; likewise
# With FOLDER/tls/cert.pem and FOLDER/tls/key.pem, it takes encrypted connections alone.
# FOLDER/mariadbd.pid is its process, FOLDER/log what it says. Once however many ask, the server is installed from apt
# when there is none (as root).
set -eu

usage() {
    sed -n '2,11s/^# \{0,1\}//p' "$0" >&2
    exit 2
}

[ $# -ge 2 ] || usage
here=$(cd "$(dirname "$0")" && pwd)/$(basename "$0")
command=$1
owner=${3:-}
mkdir -p "$2"
folder=$(cd "$2" && pwd)

install() {
    export PATH="$PATH:/usr/sbin:/usr/local/sbin"
    command -v mariadbd >/dev/null && return
    exec 9>"${TMPDIR:-/tmp}/facerecog-mariadb-install.lock"
    flock 9
    command -v mariadbd >/dev/null && return
    export DEBIAN_FRONTEND=noninteractive
    # The package would start a server of its own.
    [ -e /usr/sbin/policy-rc.d ] || {
        printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
        chmod +x /usr/sbin/policy-rc.d
        trap 'rm -f /usr/sbin/policy-rc.d' EXIT
    }
    { apt-get update && apt-get install -y --no-install-recommends mariadb-server; } >&2
    exec 9>&-
}

running() {
    [ -s "$folder/mariadbd.pid" ] && kill -0 "$(cat "$folder/mariadbd.pid")" 2>/dev/null
}

gone() {
    tries=0
    while running; do
        tries=$((tries + 1))
        [ $tries -lt 600 ] || { echo "mariadbd does not end: $folder/log" >&2; exit 1; }
        sleep 0.1
    done
    rm -f "$folder/mariadbd.pid"
}

case $command in
    start)
        install
        # At its start a server removes the temporary tables of others that it finds.
        mkdir -p "$folder/tmp"
        export TMPDIR="$folder/tmp"
        # mariadbd refuses to run as root unless told to.
        user=$(id -un)
        if [ ! -e "$folder/data/mysql" ]; then
            rm -rf "$folder/data"
            mariadb-install-db --no-defaults --user="$user" --datadir="$folder/data" \
                --auth-root-authentication-method=normal --skip-test-db >"$folder/log" 2>&1 \
                || { cat "$folder/log" >&2; exit 1; }
            cat >"$folder/init.sql" <<'SQL'
create database if not exists kube;
create user if not exists 'root'@'127.0.0.1' identified by 'password123';
alter user 'root'@'127.0.0.1' identified by 'password123';
grant all on *.* to 'root'@'127.0.0.1' with grant option;
SQL
            python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])' \
                >"$folder/port"
        fi
        port=$(cat "$folder/port")
        set --
        encrypted=
        if [ -e "$folder/tls/key.pem" ]; then
            set -- --ssl-cert="$folder/tls/cert.pem" --ssl-key="$folder/tls/key.pem" --require-secure-transport=ON
            encrypted=--ssl
        fi
        if ! running; then
            # A socket path may have 107 bytes: it is given from within the folder.
            (cd "$folder/data" && exec setsid mariadbd --no-defaults --user="$user" --datadir="$folder/data" \
                --socket=socket --bind-address=127.0.0.1 --port="$port" --skip-name-resolve \
                --init-file="$folder/init.sql" --pid-file="$folder/data/server.pid" \
                --innodb-buffer-pool-size=64M --innodb-log-file-size=48M --max-connections=300 "$@" \
                >>"$folder/log" 2>&1 </dev/null 9>&-) &
            echo $! >"$folder/mariadbd.pid"
        fi
        tries=0
        until mariadb --no-defaults --host=127.0.0.1 --port="$port" --user=root --password=password123 \
            $encrypted --execute='select 1' kube >/dev/null 2>&1; do
            running || { cat "$folder/log" >&2; exit 1; }
            tries=$((tries + 1))
            [ $tries -lt 600 ] || { cat "$folder/log" >&2; exit 1; }
            sleep 0.1
        done
        if [ -n "$owner" ]; then
            setsid sh -c 'while kill -0 "$2" 2>/dev/null; do sleep 1; done; "$0" kill "$1"; rm -rf "$1"' \
                "$here" "$folder" "$owner" >/dev/null 2>&1 </dev/null 9>&- &
        fi
        echo "mysql://root:password123@127.0.0.1:$port/kube"
        ;;
    stop)
        if running; then kill "$(cat "$folder/mariadbd.pid")"; fi
        gone
        ;;
    kill)
        if running; then kill -KILL "$(cat "$folder/mariadbd.pid")"; fi
        gone
        ;;
    *) usage ;;
esac
