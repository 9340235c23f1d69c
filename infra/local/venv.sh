#!/usr/bin/env bash
# venv.sh DIRECTORY REQUIREMENTS   Makes a virtual environment anew, with exactly the pinned packages.
set -euo pipefail
directory=$1 requirements=$2

"$(dirname "$0")/require.sh" python
echo "installing $requirements into $directory"
rm -rf "$directory"
"${PYTHON:-python3}" -m venv "$directory"
# Nothing is resolved: the file names every package, and check tells when one is missing.
"$directory/bin/python" -m pip --disable-pip-version-check install --quiet --no-deps --require-hashes --requirement "$requirements"
"$directory/bin/python" -m pip --disable-pip-version-check check >/dev/null
