#!/bin/sh
# Removes the namespace that provision made for this restore, and no other.
set -eu
: "${STILLPOINT_TARGET_WORKSPACE_ID:?}" "${STILLPOINT_OPERATION_ID:?}"
name=$STILLPOINT_TARGET_WORKSPACE_ID

owner=$(kubectl get namespace "$name" --ignore-not-found --output 'jsonpath={.metadata.annotations.stillpoint/operation}')
if [ "$owner" = "$STILLPOINT_OPERATION_ID" ]; then
    kubectl delete namespace "$name" --wait
fi
