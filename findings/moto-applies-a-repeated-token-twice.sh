#!/usr/bin/env bash
# moto carries out a transaction again whose ClientRequestToken it has seen.
#
# Version: moto 5.2.5.
# Guess before the run: the second call changes nothing, as DynamoDB documents it for ten minutes.
# Seen: a counter that two calls with one token add 1 to is 2.
# Matters to: a test that shows with moto that a retried transaction counts once. It shows nothing
# there.
. "$(dirname "$0")/lib.sh"
python_packages 'moto[dynamodb]==5.2.5' boto3==1.44.8
got="$(in_python <<'PY'
import boto3
from moto import mock_aws


def run():
    db = boto3.client("dynamodb", region_name="us-east-1", aws_access_key_id="a", aws_secret_access_key="a")
    db.create_table(
        TableName="things", BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "p", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "p", "KeyType": "HASH"}],
    )
    add = {"Update": {
        "TableName": "things", "Key": {"p": {"S": "a"}}, "UpdateExpression": "ADD n :one",
        "ExpressionAttributeValues": {":one": {"N": "1"}},
    }}
    for _ in range(2):
        db.transact_write_items(ClientRequestToken="token", TransactItems=[add])
    print(db.get_item(TableName="things", Key={"p": {"S": "a"}})["Item"]["n"]["N"])


with mock_aws():
    run()
PY
)"
expect 'one token, two calls, the counter is' 2 "$got"
