#!/usr/bin/env bash
# deploy.sh ENDPOINT STACK [PARAMETER=VALUE]...   Builds template.yaml as it is and deploys it to the emulator at ENDPOINT, with these parameters besides those
# of samconfig.toml.
set -euo pipefail
. "$(dirname "$0")/env.sh"
use_endpoint "$1"
stack=$2
shift 2
parameters=
for parameter in "$@"; do parameters+=", \"$parameter\""; done

case $(uname -m) in
  x86_64 | amd64) architecture=x86_64 ;;
  aarch64 | arm64) architecture=arm64 ;;
  *) echo "error: Lambda has no architecture like this machine's, $(uname -m)." >&2 && exit 1 ;;
esac
work=.local/deploy
mkdir -p "$work"
exec 9>"$work/lock" # one at a time: they build to the same place
flock 9
config=$work/samconfig.toml
# The functions run as processes of this machine, so they are built for it. An override on the command line would drop the file's others.
settings=$(<samconfig.toml) built='"Architecture=x86_64"'
printf '%s\n' "${settings//"$built"/"\"Architecture=$architecture\"$parameters"}" >"$config"

# Static binaries, so that the machine's C library does not matter.
export CGO_ENABLED=0 GOFLAGS="${GOFLAGS:-} $(<infra/goflags)"

# quietly NAME COMMAND...   Shows what a command printed only if it fails.
quietly() {
  local name=$1 began=$SECONDS
  shift
  printf '%s … ' "$name"
  if "$@" >"$work/log" 2>&1; then
    echo "$((SECONDS - began)) s"
  else
    echo failed && cat "$work/log" && exit 1
  fi >&2
}

quietly "go build ./..." go build ./... # SAM's builder hides what the compiler says
quietly "sam build" sam build --config-file "$PWD/$config" --config-env local
quietly "sam deploy of $stack" sam deploy --config-file "$PWD/$config" --config-env local --stack-name "$stack"
.tools/sam/bin/python infra/local/cors.py "$stack" # which the emulator doesn't take from a template
