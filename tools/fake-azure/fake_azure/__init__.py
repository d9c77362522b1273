"""A stateful fake of Azure Resource Manager, held to the models of Azure's own SDK."""

import sys
from pathlib import Path

# The clock, the journal, the ids and the listener know no cloud, and are those of the fake AWS.
sys.path.append(str(Path(__file__).resolve().parents[2] / "fake-aws"))
