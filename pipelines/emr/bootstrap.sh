#!/usr/bin/env bash
# Bootstrap action for Amazon EMR: lays the Python environment of beam-dynamodb on a
# node, so that a runner finds its worker program there.
#
#   bootstrap.sh CODE [PREFIX]
#
# CODE is a place on S3 with requirements.lock and the wheel of beam-dynamodb, and, for
# nodes without internet, every other wheel in CODE/wheels/. PREFIX is where the
# environment goes, /opt/beam-dynamodb by default. Nothing secret is in here: nodes
# read CODE by their instance profile.
set -euo pipefail

readonly code=${1:?say where the code is: bootstrap.sh s3://BUCKET/PREFIX}
readonly prefix=${2:-/opt/beam-dynamodb}
work=$(mktemp -d)
readonly work

fail() {
  printf 'beam-dynamodb bootstrap: %s\n' "$1" >&2
  exit 1
}

as_root() { # what lies below / needs it, a directory of one's own does not
  if [ -w "$(dirname "$prefix")" ]; then "$@"; else sudo "$@"; fi
}

python=$(command -v python3.11) ||
  fail "this release has no python3.11; use emr-7.1.0 or later"

aws s3 cp --recursive --only-show-errors --exclude "jobs/*" "$code/" "$work/"
[ -f "$work/requirements.lock" ] || fail "$code has no requirements.lock"
wheels=("$work"/beam_dynamodb-*.whl)
[ -f "${wheels[0]}" ] || fail "$code has no wheel of beam-dynamodb"
[ "${#wheels[@]}" -eq 1 ] || fail "$code has several wheels of beam-dynamodb; keep one"

index=()
if [ -d "$work/wheels" ]; then
  index=(--no-index --find-links "$work/wheels")
fi

pip() {
  as_root "$prefix/bin/python" -m pip install --quiet --no-input \
    --disable-pip-version-check --no-cache-dir "${index[@]}" "$@" ||
    fail "pip could not install (see above)"
}

as_root "$python" -m venv "$prefix"
# The build tool comes from the lock too, so that nothing unchecked is ever run.
awk '/^setuptools==/ { wanted = 1 } wanted { print } wanted && !/\\$/ { exit }' \
  "$work/requirements.lock" >"$work/build-tools.txt"
pip --require-hashes -r "$work/build-tools.txt"
pip --use-pep517 --no-build-isolation --require-hashes -r "$work/requirements.lock"
pip --no-deps --no-index "${wheels[0]}"
[ -x "$prefix/bin/beam-dynamodb-worker" ] || fail "no worker program in $prefix/bin"
rm -rf "$work"
printf 'beam-dynamodb bootstrap: %s is ready\n' "$prefix"
