# Sourced by the scripts beside it: a temporary folder that goes away, pinned packages in it, and a
# comparison that ends the script when a behaviour is no longer the recorded one.
set -euo pipefail
workdir=$(mktemp -d)
server=
finish() {
  [ -z "$server" ] || kill "$server" 2>/dev/null || true
  rm -rf "$workdir"
}
trap finish EXIT

# python_packages PACKAGE==VERSION...   Then $workdir/venv/bin/python has them.
python_packages() {
  python3 -m venv "$workdir/venv"
  "$workdir/venv/bin/pip" install --quiet --disable-pip-version-check "$@"
}

# in_python   Runs a script from standard input with the packages. $endpoint is its first argument.
in_python() { "$workdir/venv/bin/python" - "${endpoint:-}"; }

# start_ministack [SERVICES]   Installs MiniStack 1.5.33 and starts it with DynamoDB or these
# services. $endpoint is where it listens.
start_ministack() {
  local port services=${1:-dynamodb}
  python_packages ministack==1.5.33 boto3==1.43.106
  port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
  endpoint=http://127.0.0.1:$port
  GATEWAY_PORT=$port AWS_ENDPOINT_URL=$endpoint SERVICES=$services "$workdir/venv/bin/python" -m ministack.app >"$workdir/log" 2>&1 &
  server=$!
  for _ in $(seq 100); do
    if curl -fs "$endpoint/_ministack/health" >/dev/null; then return; fi
    sleep 0.2
  done
  echo "MiniStack did not start" >&2 && exit 1
}

# in_ministack   Runs a script from standard input that has a table and the function update.
in_ministack() {
  {
    cat <<'PY'
import sys

import boto3
from botocore.exceptions import ClientError

db = boto3.client(
    "dynamodb", endpoint_url=sys.argv[1], region_name="us-east-1", aws_access_key_id="a", aws_secret_access_key="a",
)
key = {"p": {"S": "a"}}
db.create_table(
    TableName="things", BillingMode="PAY_PER_REQUEST",
    AttributeDefinitions=[{"AttributeName": "p", "AttributeType": "S"}],
    KeySchema=[{"AttributeName": "p", "KeyType": "HASH"}],
)


def update(item, expression, **values):
    """The item after an update, without its key, or the code of the error."""
    db.put_item(TableName="things", Item=key | item)
    values = {":" + name: value for name, value in values.items()}
    try:
        new = db.update_item(
            TableName="things", Key=key, UpdateExpression=expression, ExpressionAttributeValues=values, ReturnValues="ALL_NEW",
        )["Attributes"]
    except ClientError as e:
        return e.response["Error"]["Code"]
    del new["p"]
    return new


PY
    cat
  } | in_python
}

# in_waiting_machine   Runs a script from standard input that has the function start: it starts a
# state machine whose one task sends its token to a queue and waits, with the fields given, and
# gives the execution; token reads the next token, and end waits for the execution's end.
in_waiting_machine() {
  {
    cat <<'PY'
import json
import sys
import time

import boto3

client = {"endpoint_url": sys.argv[1], "region_name": "us-east-1", "aws_access_key_id": "a", "aws_secret_access_key": "a"}
sfn, sqs = boto3.client("stepfunctions", **client), boto3.client("sqs", **client)
queue = sqs.create_queue(QueueName="tokens")["QueueUrl"]
token_text = "{% $states.context.Task.Token %}"


def start(**fields):
    """An execution whose task waits."""
    task = {
        "Type": "Task", "Resource": "arn:aws:states:::sqs:sendMessage.waitForTaskToken",
        "Arguments": {"QueueUrl": queue, "MessageBody": token_text}, "End": True,
    }
    caught = {"Type": "Pass", "Output": "{% 'caught ' & $states.input.Error %}", "End": True}
    machine = {"QueryLanguage": "JSONata", "StartAt": "Wait", "States": {"Wait": task | fields, "Caught": caught}}
    arn = sfn.create_state_machine(
        name=f"machine-{time.monotonic_ns()}", definition=json.dumps(machine), roleArn="arn:aws:iam::000000000000:role/any",
    )["stateMachineArn"]
    return sfn.start_execution(stateMachineArn=arn, input="{}")["executionArn"]


def token():
    """The next token that a task sent."""
    while True:
        for message in sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=1).get("Messages", []):
            sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
            return message["Body"]


def end(execution):
    """What the execution ends with: its output, or the error."""
    while True:
        described = sfn.describe_execution(executionArn=execution)
        if described["status"] != "RUNNING":
            return described.get("output") if described["status"] == "SUCCEEDED" else described.get("error")
        time.sleep(0.2)


PY
    cat
  } | in_python
}

# start_dynamodb_local VERSION   Starts Amazon's DynamoDB Local, which needs Java 17 and Maven.
# $endpoint is where it listens.
start_dynamodb_local() {
  local port
  mkdir "$workdir/local"
  cat >"$workdir/local/pom.xml" <<XML
<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>
<groupId>finding</groupId><artifactId>finding</artifactId><version>1</version>
<dependencies><dependency><groupId>com.amazonaws</groupId><artifactId>DynamoDBLocal</artifactId><version>$1</version></dependency></dependencies>
</project>
XML
  mvn -q -B -f "$workdir/local/pom.xml" dependency:copy-dependencies -DoutputDirectory="$workdir/local/lib" >&2
  port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
  endpoint=http://127.0.0.1:$port
  (cd "$workdir/local" && exec java -Djava.library.path=lib -cp 'lib/*' \
    com.amazonaws.services.dynamodbv2.local.main.ServerRunner -inMemory -port "$port" >"$workdir/log" 2>&1) &
  server=$!
  for _ in $(seq 100); do
    if curl -s "$endpoint" >/dev/null; then return; fi
    sleep 0.2
  done
  echo "DynamoDB Local did not start" >&2 && exit 1
}

# node_packages PACKAGE@VERSION...   Then in_node runs a script that may require them.
node_packages() {
  npm install --silent --no-audit --no-fund --ignore-scripts --prefix "$workdir/node" "$@" >/dev/null
}
in_node() { NODE_PATH=$workdir/node/node_modules node "$@"; }

# go_module MODULE@VERSION...   Then $workdir/go is a module that requires them, for main.go from
# standard input; in_go runs it.
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
