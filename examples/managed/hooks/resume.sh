#!/bin/sh
# Gives every deployment the replicas that quiesce noted, and takes the note away. Without a note there is nothing to do.
set -eu
: "${NAMESPACE:?}"
note=stillpoint/replicas

kubectl --namespace "$NAMESPACE" get deployments \
    --output 'jsonpath={range .items[*]}{.metadata.name}{" "}{.metadata.annotations.stillpoint/replicas}{"\n"}{end}' |
while read -r name noted; do
    if [ -n "$noted" ]; then
        kubectl --namespace "$NAMESPACE" scale deployment "$name" --replicas "$noted"
        kubectl --namespace "$NAMESPACE" annotate deployment "$name" "$note-"
    fi
done
