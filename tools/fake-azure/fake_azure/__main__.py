"""`python -m fake_azure`: serves until it is killed or, when asked so, until standard input ends."""

from __future__ import annotations

from fake_cloud import command
from fake_cloud.listener import Listener

from .control import control


def main() -> None:
    """Parses the command line and serves."""
    args = command.parser("fake_azure", "Azure").parse_args()
    command.serve(Listener(args.port, control()), args)


if __name__ == "__main__":
    main()
