#!/usr/bin/env bash
# moto's PutItem takes a text for an attribute that is a number in an index.
#
# Version: moto 5.2.5.
# Guess before the run: a ValidationException, as for a key of the table: types of index keys are
# declared.
# Seen: PutItem stores it; UpdateItem refuses the same value.
# Matters to: a row whose place in a list changes its type. The write that fails on AWS passes the
# tests.
. "$(dirname "$0")/lib.sh"
python_packages 'moto[dynamodb]==5.2.5' boto3==1.44.8
got="$(in_python <<'PY'
import boto3
from botocore.exceptions import ClientError
from moto import mock_aws


def run():
    db = boto3.client("dynamodb", region_name="us-east-1", aws_access_key_id="a", aws_secret_access_key="a")
    db.create_table(
        TableName="things", BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[
            {"AttributeName": "p", "AttributeType": "S"}, {"AttributeName": "list", "AttributeType": "S"},
            {"AttributeName": "place", "AttributeType": "N"},
        ],
        KeySchema=[{"AttributeName": "p", "KeyType": "HASH"}],
        GlobalSecondaryIndexes=[{
            "IndexName": "lists", "Projection": {"ProjectionType": "ALL"},
            "KeySchema": [{"AttributeName": "list", "KeyType": "HASH"}, {"AttributeName": "place", "KeyType": "RANGE"}],
        }],
    )
    text = {"S": "first"}
    db.put_item(TableName="things", Item={"p": {"S": "a"}, "list": {"S": "open"}, "place": text})
    try:
        db.update_item(
            TableName="things", Key={"p": {"S": "b"}}, UpdateExpression="SET #l = :l, place = :p",
            ExpressionAttributeNames={"#l": "list"}, ExpressionAttributeValues={":l": {"S": "open"}, ":p": text},
        )
        print("put and updated")
    except ClientError as e:
        print("put,", e.response["Error"]["Code"])


with mock_aws():
    run()
PY
)"
expect 'PutItem, UpdateItem' 'put, ValidationException' "$got"
