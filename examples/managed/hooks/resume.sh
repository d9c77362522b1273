#!/bin/sh
# Gives every deployment the replicas that quiesce noted, and takes the note away. Without a note, or with one of another
# hold, there is nothing to do. Called by hand, without STILLPOINT_HOLD_ID, it lets go of any hold.
set -eu
: "${NAMESPACE:?}"
note=stillpoint/replicas
hold=stillpoint/hold

kubectl --namespace "$NAMESPACE" get deployments \
    --output 'jsonpath={range .items[*]}{.metadata.name}{" "}{.metadata.annotations.stillpoint/replicas}{" "}{.metadata.annotations.stillpoint/hold}{"\n"}{end}' |
while read -r name noted holder; do
    if [ -n "$noted" ] && [ "${STILLPOINT_HOLD_ID:-$holder}" = "$holder" ]; then
        kubectl --namespace "$NAMESPACE" scale deployment "$name" --replicas "$noted"
        kubectl --namespace "$NAMESPACE" annotate deployment "$name" "$note-" "$hold-"
    fi
done
