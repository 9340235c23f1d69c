#!/usr/bin/env bash
# moto says one write unit for an item of any size.
#
# Version: moto 5.2.5.
# Guess before the run: 1 for an item of 100 bytes and 40 for one of 40 KB, by the rule that
# DynamoDB documents.
# Seen: 1.0 for both.
# Matters to: a test that shows with moto that an item stays small, or what a write costs.
. "$(dirname "$0")/lib.sh"
python_packages 'moto[dynamodb]==5.2.5' boto3==1.44.8
got="$(in_python <<'PY'
import boto3
from moto import mock_aws


@mock_aws
def run():
    db = boto3.client("dynamodb", region_name="us-east-1", aws_access_key_id="a", aws_secret_access_key="a")
    db.create_table(
        TableName="things", BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "p", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "p", "KeyType": "HASH"}],
    )
    units = []
    for size in (90, 40_000):
        out = db.put_item(
            TableName="things", Item={"p": {"S": "a"}, "t": {"S": "x" * size}}, ReturnConsumedCapacity="TOTAL",
        )
        units.append(out.get("ConsumedCapacity", {}).get("CapacityUnits"))
    return units


print(run())
PY
)"
expect 'units of 100 bytes and of 40 KB' '[1.0, 1.0]' "$got"
