#!/usr/bin/env bash
# MiniStack rounds a sum that needs more than 38 digits.
#
# Version: ministack 1.5.33.
# Guess before the run: an error, since DynamoDB documents an exception beyond 38 digits of
# precision.
# Seen: 10^38, as if nothing had been added but a carry. DynamoDB Local 2.6.1 refuses; moto 5.2.5
# rounds, too.
# Matters to: a counter of fractions of a cent beside a huge one. A lost fraction is an error on
# AWS.
. "$(dirname "$0")/lib.sh"
python_packages ministack==1.5.33 boto3==1.43.106
start_ministack
got="$(in_python <<'PY'
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


print(update({"a": {"N": "9" * 38}}, "SET a = a + :v", v={"N": "0.1"})["a"]["N"])
PY
)"
expect '38 nines and 0.1' 100000000000000000000000000000000000000 "$got"
