#!/usr/bin/env bash
# MiniStack's BatchGetItem leaves ReturnConsumedCapacity without an answer.
#
# Version: ministack 1.5.33.
# Guess before the run: a unit for each key of a consistent read, as its GetItem says and DynamoDB
# documents.
# Seen: GetItem says 1, BatchGetItem says nothing.
# Matters to: who adds up what requests consume. Batch reads are free there, so that a change from
# one batch to many looks like none.
. "$(dirname "$0")/lib.sh"
start_ministack
got="$(in_ministack <<'PY'
db.put_item(TableName="things", Item=key)
one = db.get_item(TableName="things", Key=key, ConsistentRead=True, ReturnConsumedCapacity="TOTAL")
many = db.batch_get_item(
    RequestItems={"things": {"Keys": [key], "ConsistentRead": True}}, ReturnConsumedCapacity="TOTAL",
)
print(one["ConsumedCapacity"]["CapacityUnits"], many.get("ConsumedCapacity"), len(many["Responses"]["things"]))
PY
)"
expect 'GetItem, BatchGetItem, items that the batch read' '1.0 None 1' "$got"
