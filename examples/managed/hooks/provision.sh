#!/bin/sh
# Makes a namespace for the restored workspace, marked from its first moment with the restore that it belongs to.
#
# It answers the same when it is called again, and refuses a namespace that another restore, or a person, has made.
set -eu
: "${STILLPOINT_TARGET_WORKSPACE_ID:?}" "${STILLPOINT_OPERATION_ID:?}"
name=$STILLPOINT_TARGET_WORKSPACE_ID

printf '{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"%s","annotations":{"stillpoint/operation":"%s"}}}' \
    "$name" "$STILLPOINT_OPERATION_ID" | kubectl create --filename - >&2 || true
owner=$(kubectl get namespace "$name" --output 'jsonpath={.metadata.annotations.stillpoint/operation}')
if [ "$owner" != "$STILLPOINT_OPERATION_ID" ]; then
    echo "namespace $name is there already and not this restore's" >&2
    exit 1
fi
printf '{"workspace": "%s"}\n' "$name"
