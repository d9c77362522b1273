#!/bin/sh
# Scales every deployment of the namespace to nothing, and notes on each how many replicas it had.
#
# It may be called again after a crash: a deployment that carries the note already keeps it.
set -eu
: "${NAMESPACE:?}" "${STILLPOINT_OPERATION_ID:?}"
note=stillpoint/replicas

kubectl --namespace "$NAMESPACE" get deployments \
    --output 'jsonpath={range .items[*]}{.metadata.name}{" "}{.spec.replicas}{" "}{.metadata.annotations.stillpoint/replicas}{"\n"}{end}' |
while read -r name replicas noted; do
    if [ -z "$noted" ]; then
        kubectl --namespace "$NAMESPACE" annotate deployment "$name" "$note=$replicas"
    fi
    kubectl --namespace "$NAMESPACE" scale deployment "$name" --replicas 0
done
# Only when the last writer is gone does the workspace stand still.
kubectl --namespace "$NAMESPACE" wait pods --all --for delete --timeout 10m
