#!/usr/bin/env bash
# MiniStack doesn't find 1.0 in a set of numbers that has 1.
#
# Version: ministack 1.5.33.
# Guess before the run: 1 is taken out, as the two are one number; the emulator normalizes a plain
# number that it stores.
# Seen: the set as it was. DynamoDB Local 2.6.1 takes it out; moto 5.2.5 doesn't either.
# Matters to: sets of decimals that two languages write in two ways.
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


print(sorted(update({"s": {"NS": ["1", "2"]}}, "DELETE s :v", v={"NS": ["1.0"]})["s"]["NS"]))
PY
)"
expect 'the set 1, 2 without 1.0' "['1', '2']" "$got"
