#!/usr/bin/env bash
# moto ignores the ProjectionExpression of TransactGetItems.
#
# Version: moto 5.2.5.
# Guess before the run: the attributes that are asked for, as GetItem answers there.
# Seen: all attributes of the item; GetItem with the same expression answers one.
# Matters to: a test that a transaction doesn't read an attribute that it may not.
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
    db.put_item(TableName="things", Item={"p": {"S": "a"}, "n": {"N": "1"}, "sealed": {"S": "x"}})
    asked = {"TableName": "things", "Key": {"p": {"S": "a"}}, "ProjectionExpression": "n"}
    one = db.get_item(**asked)["Item"]
    two = db.transact_get_items(TransactItems=[{"Get": asked}])["Responses"][0]["Item"]
    print(len(one), len(two))


with mock_aws():
    run()
PY
)"
expect 'attributes of GetItem, of TransactGetItems' '1 3' "$got"
