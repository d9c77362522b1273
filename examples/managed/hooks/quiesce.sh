#!/bin/sh
# Scales every deployment of the namespace to nothing, and notes on each how many replicas it had, and for which hold.
#
# It may be called again after a crash: a deployment that carries the note already keeps its number of replicas.
set -eu
: "${NAMESPACE:?}" "${STILLPOINT_HOLD_ID:?}"
note=stillpoint/replicas
hold=stillpoint/hold

kubectl --namespace "$NAMESPACE" get deployments \
    --output 'jsonpath={range .items[*]}{.metadata.name}{" "}{.spec.replicas}{" "}{.metadata.annotations.stillpoint/replicas}{"\n"}{end}' |
while read -r name replicas noted; do
    kubectl --namespace "$NAMESPACE" annotate --overwrite deployment "$name" \
        "$note=${noted:-$replicas}" "$hold=$STILLPOINT_HOLD_ID"
    kubectl --namespace "$NAMESPACE" scale deployment "$name" --replicas 0
done
# Only when the last writer is gone does the workspace stand still.
kubectl --namespace "$NAMESPACE" wait pods --all --for delete --timeout 10m
