#!/bin/sh
# Prints a kustomize: that of this machine, or one that Go compiles into the target folder, once.
set -eu

if command -v kustomize; then exit; fi
root=$(cd "$(dirname "$0")/../.." && pwd)
target=${CARGO_TARGET_DIR:-target}
case $target in
    /*) ;;
    *) target=$root/$target ;;
esac
tools=$target/tools

mkdir -p "$tools"
exec 9>"$tools/kustomize.lock"
flock 9
[ -x "$tools/kustomize" ] || GOBIN=$tools go install sigs.k8s.io/kustomize/kustomize/v5@v5.8.1 >&2
echo "$tools/kustomize"
