#!/usr/bin/env bash
# MiniStack appends list elements beyond the end in the order in which the update names them.
#
# Version: ministack 1.5.33.
# Guess before the run: in the order of their numbers, as DynamoDB documents it for several elements
# in one SET.
# Seen: SET l[9] = 9, l[7] = 7 gives 0, 9, 7. DynamoDB Local 2.6.1 gives 0, 7, 9; moto 5.2.5 as
# here.
# Matters to: code that fills a list by numbers and reads it back by position.
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


print([n["N"] for n in update(
    {"l": {"L": [{"N": "0"}]}}, "SET l[9] = :nine, l[7] = :seven", nine={"N": "9"}, seven={"N": "7"},
)["l"]["L"]])
PY
)"
expect '[0], SET l[9] = 9, l[7] = 7' "['0', '9', '7']" "$got"
