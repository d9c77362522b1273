"""A stateful fake of the AWS services that back workspaces up, held to AWS's own service models."""

import os
import sys

# What knows no cloud is shared with the other fakes.
sys.path.append(os.path.join(os.path.dirname(__file__), "..", "..", "fake-cloud"))
