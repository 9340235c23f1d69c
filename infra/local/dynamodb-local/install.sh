#!/usr/bin/env bash
# install.sh DIRECTORY   Puts Amazon's DynamoDB Local into DIRECTORY/lib, with exactly the pinned files.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
"$here/../require.sh" java

rm -rf "$1"
mkdir -p "$1/lib"
lib=$(cd "$1/lib" && pwd)
echo "installing $(sed -n 's,.*<version>\([0-9.]*\.[0-9]*\)</version>.*,DynamoDB Local \1,p' "$here/pom.xml") into $1"
mvn --quiet --batch-mode --file "$here/pom.xml" org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies \
  -DincludeScope=runtime -DoutputDirectory="$lib"
# Nothing but what is listed, since all of lib is on the class path.
cd "$lib"
sha256sum --check --quiet --strict "$here/SHA256SUMS"
unknown=$(comm -13 <(awk '{print $2}' "$here/SHA256SUMS" | sort) <(printf '%s\n' * | sort))
[ -z "$unknown" ] || { printf 'error: not in SHA256SUMS:\n%s\n' "$unknown" >&2 && exit 1; }
