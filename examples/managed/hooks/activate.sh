#!/bin/sh
# Deploys the workspace on its restored storage: the volumes and file systems are in the plan.
set -eu
: "${STILLPOINT_TARGET_WORKSPACE_ID:?}" "${STILLPOINT_PLAN:?}"

resource() {
    jq --raw-output --arg id "$1" '.resources[] | select(.component == $id) | .resource | split("/") | last' "$STILLPOINT_PLAN"
}
helm upgrade --install ml-workspace oci://registry.example.com/charts/ml-workspace \
    --namespace "$STILLPOINT_TARGET_WORKSPACE_ID" \
    --version "$(jq --raw-output .software_version "$STILLPOINT_PLAN")" \
    --set "database.volume=$(resource db)" \
    --set "projects.fileSystem=$(resource projects)" \
    --wait
