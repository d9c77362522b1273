#!/bin/bash
# Lifecycle configuration of a SageMaker Studio space: keeps the home directory backed up with Stillpoint.
#
# It installs nothing and needs only the program. Whatever goes wrong here, the application starts: a notebook without a
# backup is told in the log, a notebook that does not start is nobody's gain.

# --- to be edited -----------------------------------------------------------------------------------------------------
export STILLPOINT_STORE="s3://my-backup-bucket/studio"
export STILLPOINT_LAYOUT="mirror"   # plain objects under USER/SPACE/TIMESTAMP; see docs/studio.md for sealed backups
INTERVAL="12h"                      # below 6h people may feel it
PROGRAM="/opt/stillpoint/bin/stillpoint"
# ----------------------------------------------------------------------------------------------------------------------

if [ ! -x "$PROGRAM" ]; then
    echo "stillpoint: $PROGRAM is not there or cannot be run; this space is NOT backed up" >&2
    exit 0
fi
"$PROGRAM" agent --studio --interval "$INTERVAL" || echo "stillpoint: the agent did not start; this space is NOT backed up" >&2
exit 0
