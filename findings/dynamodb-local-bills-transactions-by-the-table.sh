#!/usr/bin/env bash
# DynamoDB Local says the same units for a transaction of one put and for one of many.
#
# Version: com.amazonaws:DynamoDBLocal 2.6.1.
# Guess before the run: two units for each put of a small item, as DynamoDB documents: 2 and 20.
# Seen: 4 units for one put, and 4 for ten.
# Matters to: who tests what a transaction costs. Its puts are free there from the second on.
. "$(dirname "$0")/lib.sh"
python_packages boto3==1.43.106
start_dynamodb_local 2.6.1
got="$(in_python <<'PY'
import sys

import boto3

db = boto3.client(
    "dynamodb", endpoint_url=sys.argv[1], region_name="us-east-1", aws_access_key_id="a", aws_secret_access_key="a",
)
db.create_table(
    TableName="things", BillingMode="PAY_PER_REQUEST",
    AttributeDefinitions=[{"AttributeName": "p", "AttributeType": "S"}],
    KeySchema=[{"AttributeName": "p", "KeyType": "HASH"}],
)


def units(puts):
    out = db.transact_write_items(
        TransactItems=[{"Put": {"TableName": "things", "Item": {"p": {"S": f"{puts}-{n}"}}}} for n in range(puts)],
        ReturnConsumedCapacity="TOTAL",
    )
    return [c["CapacityUnits"] for c in out["ConsumedCapacity"]]


print(units(1), units(10))
PY
)"
expect 'units of one put, and of ten' '[4.0] [4.0]' "$got"
