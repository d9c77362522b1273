"""The services, one module per service or part of one."""

from __future__ import annotations

from importlib import import_module

_MODULES = (
    "backup_jobs", "backup_lists", "backup_points", "backup_restores", "backup_copies", "backup_vaults",
    "backup_settings", "efs", "efs_settings", "ebs", "ec2_volumes", "ec2_snapshots", "ec2_places", "sagemaker",
    "tagging", "identity",
)  # fmt: skip


def load() -> None:
    """Registers every handler."""
    for name in _MODULES:
        import_module(f"{__name__}.{name}")
