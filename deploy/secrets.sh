#!/bin/sh
# Makes the passwords that compose.yaml mounts, in deploy/secrets/, once: those that are there stay.
set -eu
umask 077
folder=$(dirname "$0")/secrets
mkdir -p "$folder"
random() { od -An -N24 -tx1 /dev/urandom | tr -d ' \n'; }
for secret in mysql_password mysql_userpassword; do
    [ -s "$folder/$secret" ] && continue
    case $secret in
        mysql_password) random ;;
        mysql_userpassword) printf 'facerecog:%s' "$(random)" ;;
    esac >"$folder/$secret"
    # The users of the containers are others than this one; the folder keeps everybody else out.
    chmod 0444 "$folder/$secret"
done
