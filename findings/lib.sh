# Sourced by the scripts beside it: a temporary folder that goes away, pinned packages in it, and a comparison that ends the script when
# a behaviour is no longer the recorded one.
set -euo pipefail
workdir=$(mktemp -d)
trap 'rm -rf "$workdir"' EXIT

# python_packages PACKAGE==VERSION...   Then $workdir/venv/bin/python has them.
python_packages() {
  python3 -m venv "$workdir/venv"
  "$workdir/venv/bin/pip" install --quiet --disable-pip-version-check "$@"
}

# node_packages PACKAGE@VERSION...   Then in_node runs a script that may require them.
node_packages() {
  npm install --silent --no-audit --no-fund --ignore-scripts --prefix "$workdir/node" "$@" >/dev/null
}
in_node() { NODE_PATH=$workdir/node/node_modules node "$@"; }

# go_module MODULE@VERSION...   Then $workdir/go is a module that requires them, for main.go from standard input; in_go runs it.
go_module() {
  mkdir -p "$workdir/go"
  cat >"$workdir/go/main.go"
  (cd "$workdir/go" && go mod init finding >/dev/null 2>&1 && go get "$@" >/dev/null 2>&1)
}
in_go() { (cd "$workdir/go" && go run .); }

# expect WHAT WANT GOT   Prints the observation; exits 1 where it is another than the recorded one.
expect() {
  printf '%-62s %s\n' "$1" "$3"
  [ "$2" = "$3" ] || { echo "changed: $1: recorded $2, now $3" >&2; exit 1; }
}
