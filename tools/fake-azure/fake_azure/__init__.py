"""A stateful fake of Azure Resource Manager, held to the models of Azure's own SDK."""

import os
import sys

# What knows no cloud is shared with the other fakes.
sys.path.append(os.path.join(os.path.dirname(__file__), "..", "..", "fake-cloud"))
