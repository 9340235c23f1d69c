#!/usr/bin/env bash
# build.sh ROOT OUT   Builds the site of the documentation of the checkout ROOT into OUT/html. A broken link, an anchor that is
# missing, or a page that no other one lists, fails. It asks no network. The program at ROOT/bin/orderflow gives the events' pages.
set -euo pipefail
root=$(cd "$1" && pwd) here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$2"
out=$(cd "$2" && pwd)

rm -rf "$out/source" "$out/html"
mkdir "$out/source"
for entry in "$root"/*; do
  case ${entry##*/} in
  bin) ;;
  *) ln -s "$entry" "$out/source/" ;;
  esac
done
[ ! -x "$root/bin/orderflow" ] || "$root/bin/orderflow" events export "$out/source/catalogue" >/dev/null
"$here/../../../.tools/docs/bin/python" -m sphinx -b html -W --keep-going -n -q -E -d "$out/doctrees" -c "$here" "$out/source" "$out/html"
echo "the site is $out/html/index.html"
