#!/usr/bin/env bash
# MiniStack's list_append of something that is no list changes nothing, and answers success.
#
# Version: ministack 1.5.33.
# Guess before the run: a ValidationException for the operand's type.
# Seen: the list as it was. Amazon's DynamoDB Local 2.6.1 and moto 5.2.5 refuse the same update.
# Matters to: who forgets the brackets around one new element. It is lost here without a word, and
# an error on AWS.
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


print(update({"l": {"L": [{"N": "1"}]}}, "SET l = list_append(l, :two)", two={"N": "2"}))
PY
)"
expect 'the list [1] and the number 2' "{'l': {'L': [{'N': '1'}]}}" "$got"
