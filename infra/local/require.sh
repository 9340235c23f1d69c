#!/usr/bin/env bash
# require.sh go|python|linux|java...   Fails with what to do about it where the machine lacks one of them.
set -euo pipefail

go_minimum=1.26
python_minimum=3.10
java_minimum=17
python=${PYTHON:-python3}

fail() {
  echo "error: $1" >&2
  exit 1
}

# at_least HAVE WANTED, both as major.minor[...]
at_least() {
  [ "$(printf '%s\n%s\n' "$2" "$1" | sort -t. -k1,1n -k2,2n | head -n 1)" = "$2" ]
}

for need in "$@"; do
  case $need in
    go)
      command -v go >/dev/null || fail "Go $go_minimum or later is needed, and there is no go in PATH."
      have=$(GOTOOLCHAIN=local go env GOVERSION | sed 's/^go//; s/[^0-9.].*//' | cut -d. -f1,2)
      at_least "$have" "$go_minimum" || fail "Go $go_minimum or later is needed; $(command -v go) is $have."
      ;;
    python)
      command -v "$python" >/dev/null || fail "Python $python_minimum or later is needed, and there is no $python in PATH. Another one: make PYTHON=/path/to/python3 …"
      have=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
      at_least "$have" "$python_minimum" || fail "Python $python_minimum or later is needed; $python is $have. Another one: make PYTHON=/path/to/python3 …"
      "$python" -c 'import ensurepip, venv' 2>/dev/null || fail "$python lacks venv. Debian and Ubuntu have it in the package python3-venv."
      ;;
    linux)
      [ "$(uname -s)" = Linux ] || fail "the local AWS runs the functions' Linux binaries as plain processes, so it needs Linux (in a VM, WSL or a container elsewhere)."
      ;;
    java)
      for tool in java mvn; do
        command -v "$tool" >/dev/null || fail "Java $java_minimum or later and Maven are needed, and there is no $tool in PATH."
      done
      have=$(java -version 2>&1 | sed -n 's/.* version "\([0-9.]*\).*/\1/p')
      at_least "$have" "$java_minimum" || fail "Java $java_minimum or later is needed; $(command -v java) is $have."
      ;;
    *) fail "require.sh does not know $need" ;;
  esac
done
