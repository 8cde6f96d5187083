#!/bin/sh
# tool.sh kustomize|compose: prints where the tool is. Go compiles it into the target folder, once.
set -eu

case $1 in
    kustomize)
        module=sigs.k8s.io/kustomize/kustomize/v5@v5.8.1
        built=kustomize
        ;;
    # What `docker compose` reads its files with.
    compose)
        module=github.com/compose-spec/compose-go/v2/cmd@v2.16.2
        built=cmd
        ;;
esac
root=$(cd "$(dirname "$0")/../.." && pwd)
target=${CARGO_TARGET_DIR:-target}
case $target in
    /*) ;;
    *) target=$root/$target ;;
esac
folder=$target/tools/${module##*@}-$1

mkdir -p "$folder"
exec 9>"$folder/lock"
flock 9
[ -x "$folder/$built" ] || GOBIN=$folder go install "$module" >&2
echo "$folder/$built"
