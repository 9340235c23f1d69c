# shellcheck shell=bash
# Sourced: what the other scripts share. The working directory becomes the checkout's.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cd "$root"

emulator() { "${PYTHON:-python3}" infra/local/emulator.py "$@"; }

# use_endpoint URL   Points every AWS client at the emulator, with credentials that real AWS refuses, whatever the caller's own setting is.
use_endpoint() {
  unset AWS_PROFILE AWS_DEFAULT_PROFILE AWS_SESSION_TOKEN AWS_ROLE_ARN AWS_WEB_IDENTITY_TOKEN_FILE
  # The endpoint of a single service, or a proxy for this host, would lead past it.
  local name
  for name in $(compgen -e AWS_ENDPOINT_URL_); do unset "$name"; done
  export AWS_ENDPOINT_URL=$1 AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test AWS_REGION=us-east-1 AWS_DEFAULT_REGION=us-east-1
  export AWS_CONFIG_FILE=/dev/null AWS_SHARED_CREDENTIALS_FILE=/dev/null AWS_EC2_METADATA_DISABLED=true AWS_PAGER=
  export NO_PROXY="127.0.0.1,localhost${NO_PROXY:+,$NO_PROXY}" no_proxy="127.0.0.1,localhost${no_proxy:+,$no_proxy}"
}

sam() { SAM_CLI_TELEMETRY=0 .tools/sam/bin/python -m samcli "$@"; }

# traces DIRECTORY PID PORT   Starts the viewer of spans (infra/local/traces), which keeps its log in the directory and ends with that process, and prints its
# URL: on that port, or on a free one where it is 0 or taken. One that runs already is used.
traces() {
  local file=$1/traces.address address
  if [ -s "$file" ] && address=$(<"$file") && (exec 3<>"/dev/tcp/${address%:*}/${address##*:}") 2>/dev/null; then
    echo "http://$address"
    return
  fi
  go build -o bin/traces ./infra/local/traces
  local port
  for port in "$3" 0; do
    rm -f "$file"
    setsid bin/traces --address "127.0.0.1:$port" --address-file "$file" --until-pid "$2" </dev/null >"$1/traces.log" 2>&1 &
    local viewer=$! tries
    for ((tries = 0; tries < 300; tries++)); do
      if [ -s "$file" ]; then
        echo "http://$(<"$file")"
        return
      fi
      kill -0 "$viewer" 2>/dev/null || break
      sleep 0.1
    done
  done
  echo "error: the viewer of spans does not start: $(<"$1/traces.log")" >&2
  return 1
}
