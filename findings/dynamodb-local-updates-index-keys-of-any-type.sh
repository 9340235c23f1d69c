#!/usr/bin/env bash
# DynamoDB Local's UpdateItem takes a number for an attribute that is a text in an index.
#
# Version: com.amazonaws:DynamoDBLocal 2.6.1.
# Guess before the run: a ValidationException, as PutItem answers there and both answer on AWS.
# Seen: UpdateItem stores the number; PutItem refuses it.
# Matters to: whoever takes DynamoDB Local for the judge of requests. moto 5.2.5 errs the other way
# round.
. "$(dirname "$0")/lib.sh"
python_packages boto3==1.43.106
start_dynamodb_local 2.6.1
got="$(in_python <<'PY'
import sys

import boto3
from botocore.exceptions import ClientError

db = boto3.client(
    "dynamodb", endpoint_url=sys.argv[1], region_name="us-east-1", aws_access_key_id="a", aws_secret_access_key="a",
)
db.create_table(
    TableName="things", BillingMode="PAY_PER_REQUEST",
    AttributeDefinitions=[{"AttributeName": n, "AttributeType": "S"} for n in ("p", "colour")],
    KeySchema=[{"AttributeName": "p", "KeyType": "HASH"}],
    GlobalSecondaryIndexes=[{
        "IndexName": "colours", "Projection": {"ProjectionType": "ALL"},
        "KeySchema": [{"AttributeName": "colour", "KeyType": "HASH"}],
    }],
)


def answer(request, **parameters):
    try:
        request(TableName="things", **parameters)
        return "stored"
    except ClientError as e:
        return e.response["Error"]["Code"]


number = {"N": "1"}
print(
    answer(db.put_item, Item={"p": {"S": "a"}, "colour": number}),
    answer(
        db.update_item, Key={"p": {"S": "a"}}, UpdateExpression="SET colour = :c",
        ExpressionAttributeValues={":c": number},
    ),
)
PY
)"
expect 'PutItem, UpdateItem' 'ValidationException stored' "$got"
