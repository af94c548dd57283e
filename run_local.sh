#!/usr/bin/env bash
# Runs the main job, the tests or the linters of this checkout, needing Python alone.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
unset PYTHONHOME PYTHONPATH # what they name would shadow the packages of .venv
export PIP_DISABLE_PIP_VERSION_CHECK=1

readonly venv=.venv
readonly python=$venv/bin/python

usage() {
  cat <<'TEXT'
./run_local.sh [--all …]      copy real records between three regions of an embedded
                              DynamoDB, and check the targets; the options are the demo's
                              (`./run_local.sh demo --help` lists them)
./run_local.sh test [ARG …]   run the tests that need Python alone, and list the suites
                              not run; the arguments are pytest's.
                              BEAM_DYNAMODB_TEST_ALL=1 makes a missing engine a failure
./run_local.sh lint           style, types, layers and spelling
./run_local.sh install        only make .venv, with what tests and linters need
./run_local.sh --help         this text

All of it happens in .venv, made at the first run with Python 3.10 to 3.13 and the
packages of requirements.lock (for tests and linters requirements-dev.lock), each
checked against its hash.
TEXT
}

fail() {
  printf 'run_local.sh: %s\n' "$1" >&2
  exit "${2:-3}"
}

say() {
  printf '%s\n' "$1" >&2
}

supported() { # is this command a Python that we run on, and can it make a venv?
  "$1" -c 'import ensurepip, sys, venv; sys.exit(not (3, 10) <= sys.version_info < (3, 14))' \
    >/dev/null 2>&1
}

find_python() {
  local candidate
  for candidate in python3.11 python3.12 python3.10 python3.13 python3; do
    if supported "$candidate"; then
      printf '%s\n' "$candidate"
      return
    fi
  done
  fail "no Python 3.10 to 3.13 with the venv module on PATH; install python3.11 (on Debian and Ubuntu python3.11-venv too)"
}

usable_venv() { # made for this very folder, and whole
  [ "$(cat "$venv/.made-for" 2>/dev/null)" = "$PWD" ] && supported "$python"
}

make_venv() {
  local base
  base=$(find_python)
  say "Making $venv with $("$base" --version) …"
  rm -rf "$venv"
  "$base" -m venv "$venv"
  # The build tool comes from the lock too, so that nothing unchecked is ever run.
  awk '/^setuptools==/ { wanted = 1 } wanted { print } wanted && !/\\$/ { exit }' \
    requirements.lock >"$venv/build-tools.txt"
  pip_install --require-hashes -r "$venv/build-tools.txt"
  printf '%s\n' "$PWD" >"$venv/.made-for"
}

pip_install() {
  "$python" -m pip install --quiet --no-input --use-pep517 --no-build-isolation "$@" ||
    fail "pip could not install (see above); is the package index within reach?"
}

install() { # the lock file to install
  local stamp=$venv/.installed-$1 wanted
  wanted=$(cksum "$1" pyproject.toml)
  usable_venv || make_venv
  [ "$(cat "$stamp" 2>/dev/null)" != "$wanted" ] || return 0
  say "Installing the packages of $1 (a minute or two, once) …"
  pip_install --require-hashes -r "$1"
  pip_install --no-deps --no-index --editable .
  printf '%s\n' "$wanted" >"$stamp"
}

lint() {
  local status=0 name
  local checks=(
    "ruff check ."
    "ruff format --check ."
    "mypy"
    "lint-imports"
    "codespell"
  )
  if [ -x "$venv/bin/hadolint" ]; then
    checks+=("hadolint deploy/Dockerfile deploy/emr-on-eks/Dockerfile")
  else
    say "--- hadolint: there is none for this machine (Linux on x86-64 has it)"
  fi
  for name in "${checks[@]}"; do
    say "--- $name"
    # shellcheck disable=SC2086 # the words of a check are its arguments
    "$venv"/bin/$name || status=1
  done
  return "$status"
}

case "${1-}" in
  -h | --help | help)
    usage
    ;;
  install)
    install requirements-dev.lock
    ;;
  test)
    install requirements-dev.lock
    exec "$python" -m pytest -n 2 --dist loadfile "${@:2}"
    ;;
  lint)
    install requirements-dev.lock
    lint
    ;;
  demo)
    install requirements.lock
    exec "$python" -m pipelines.demo "${@:2}"
    ;;
  "" | -*)
    install requirements.lock
    exec "$python" -m pipelines.demo "$@"
    ;;
  *)
    say "run_local.sh: no such command: $1"
    usage >&2
    exit 2
    ;;
esac
