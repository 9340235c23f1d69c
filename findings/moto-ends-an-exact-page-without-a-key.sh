#!/usr/bin/env bash
# A query whose Limit is the number of items left has no LastEvaluatedKey in moto.
#
# Version: moto 5.2.5.
# Guess before the run: a key, as DynamoDB stops at the limit and doesn't look further; the next
# page is empty.
# Seen: no key.
# Matters to: code that takes a key for "there is more". It is right on moto, and shows an empty
# last page on AWS.
. "$(dirname "$0")/lib.sh"
python_packages 'moto[dynamodb]==5.2.5' boto3==1.44.8
got="$(in_python <<'PY'
import boto3
from moto import mock_aws


def run():
    db = boto3.client("dynamodb", region_name="us-east-1", aws_access_key_id="a", aws_secret_access_key="a")
    db.create_table(
        TableName="things", BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "p", "AttributeType": "S"}, {"AttributeName": "s", "AttributeType": "N"}],
        KeySchema=[{"AttributeName": "p", "KeyType": "HASH"}, {"AttributeName": "s", "KeyType": "RANGE"}],
    )
    for s in "123":
        db.put_item(TableName="things", Item={"p": {"S": "a"}, "s": {"N": s}})
    page = db.query(
        TableName="things", KeyConditionExpression="p = :p", ExpressionAttributeValues={":p": {"S": "a"}}, Limit=3,
    )
    print("LastEvaluatedKey" in page)


with mock_aws():
    run()
PY
)"
expect 'a key behind three of three items, Limit 3' False "$got"
