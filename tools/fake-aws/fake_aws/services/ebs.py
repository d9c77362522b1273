"""EBS direct APIs: blocks of snapshots read, and snapshots written block by block."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

from .. import paging
from ..content import BLOCK, Block, Content, checksum, linear
from ..entities import Snapshot
from ..errors import Fault
from ..registry import operation
from ..world import Call
from .ec2_common import shown_tags

_PAGE = 10_000
_PER_GIB = (1 << 30) // BLOCK


def _invalid(message: str, reason: str) -> Fault:
    return Fault("ValidationException", message, Reason=reason)


def _find(call: Call, snapshot_id: str) -> Snapshot:
    snapshot = call.region.snapshots.get(snapshot_id)
    if snapshot is None:
        raise Fault("ResourceNotFoundException", f"The snapshot '{snapshot_id}' does not exist.",
                    Reason="SNAPSHOT_NOT_FOUND")  # fmt: skip
    return snapshot


def _readable(call: Call, snapshot_id: str) -> Snapshot:
    snapshot = _find(call, snapshot_id)
    if snapshot.state != "completed":
        raise _invalid(f"The snapshot '{snapshot_id}' is {snapshot.state}.", "INVALID_SNAPSHOT_ID")
    return snapshot


def _token(call: Call, snapshot: Snapshot, index: int) -> str:
    expires = call.now + call.rule("ebs.token_seconds")
    return base64.b64encode(f"{snapshot.id}:{index}:{expires}".encode()).decode()


def _check_token(call: Call, snapshot: Snapshot, index: int, token: str) -> None:
    try:
        name, number, expires = base64.b64decode(token).decode().split(":")
        if (name, int(number)) == (snapshot.id, index) and float(expires) > call.now:
            return
    except ValueError:
        pass
    raise _invalid("The block token is not valid.", "INVALID_BLOCK_TOKEN")


def _listing(call: Call, snapshot: Snapshot, rows: list[dict[str, Any]], params: dict[str, Any], name: str) -> Any:
    start = params.get("StartingBlockIndex", 0)
    rows = [row for row in rows if row["BlockIndex"] >= start]
    try:
        shown, following = paging.page(rows, params.get("NextToken"), params.get("MaxResults"), _PAGE)
    except Fault as fault:
        raise _invalid(fault.message, "INVALID_PAGE_TOKEN") from None
    return {name: shown, "ExpiryTime": call.now + call.rule("ebs.token_seconds"), "VolumeSize": snapshot.size_gib,
            "BlockSize": BLOCK, "NextToken": following}  # fmt: skip


@operation("ebs", "ListSnapshotBlocks")
def list_snapshot_blocks(call: Call, params: dict[str, Any]) -> dict[str, Any]:
    """The blocks that were ever written."""
    snapshot = _readable(call, params["SnapshotId"])
    rows = [{"BlockIndex": index, "BlockToken": _token(call, snapshot, index)} for index in sorted(snapshot.content)]
    return _listing(call, snapshot, rows, params, "Blocks")


@operation("ebs", "ListChangedBlocks")
def list_changed_blocks(call: Call, params: dict[str, Any]) -> dict[str, Any]:
    """The blocks in which two snapshots of one lineage differ; all blocks when only the second is named."""
    second = _readable(call, params["SecondSnapshotId"])
    first = _readable(call, params["FirstSnapshotId"]) if "FirstSnapshotId" in params else None
    if first is not None and first.lineage != second.lineage:
        raise _invalid("The snapshots are not of the same volume.", "UNRELATED_SNAPSHOTS")
    before: Content = first.content if first is not None else {}
    rows = []
    for index in sorted(set(before) | set(second.content)):
        old, new = before.get(index), second.content.get(index)
        if (new is not None and new.same(old)) or (new is None and old is None):
            continue
        rows.append({
            "BlockIndex": index,
            "FirstBlockToken": _token(call, first, index) if first is not None and old is not None else None,
            "SecondBlockToken": _token(call, second, index) if new is not None else None,
        })  # fmt: skip
    return _listing(call, second, rows, params, "ChangedBlocks")


@operation("ebs", "GetSnapshotBlock")
def get_snapshot_block(call: Call, params: dict[str, Any]) -> dict[str, Any]:
    """One block and its digest."""
    snapshot, index = _readable(call, params["SnapshotId"]), params["BlockIndex"]
    _check_token(call, snapshot, index, params["BlockToken"])
    if index not in snapshot.content:
        raise _invalid(f"The snapshot has no block {index}.", "INVALID_BLOCK")
    block = snapshot.content[index]
    return {"DataLength": BLOCK, "BlockData": block.data, "Checksum": checksum(block.digest),
            "ChecksumAlgorithm": "SHA256"}  # fmt: skip


@operation("ebs", "StartSnapshot")
def start_snapshot(call: Call, params: dict[str, Any]) -> dict[str, Any]:
    """A pending snapshot to be filled block by block; it is given up when no block comes for `Timeout` minutes."""
    parent = _readable(call, params["ParentSnapshotId"]) if "ParentSnapshotId" in params else None
    if parent is not None and "Encrypted" in params:
        raise _invalid("ParentSnapshotId and Encrypted exclude each other.", "INVALID_PARAMETER_VALUE")
    if "KmsKeyArn" in params and not (params.get("Encrypted") or (parent and parent.encrypted)):
        raise _invalid("KmsKeyArn requires Encrypted.", "INVALID_CUSTOMER_KEY")
    if parent is not None and params["VolumeSize"] < parent.size_gib:
        raise _invalid("The snapshot cannot be smaller than its parent.", "INVALID_VOLUME_SIZE")
    pending = [each for each in call.region.snapshots.values() if each.direct and each.state == "pending"]
    if len(pending) >= call.rule("ebs.pending_maximum"):
        raise Fault("ConcurrentLimitExceededException", "Too many pending snapshots.")
    tags = {tag["Key"]: tag.get("Value", "") for tag in params.get("Tags", [])}
    snapshot = Snapshot(
        call.world.ids.hex("snap"), "vol-ffffffff", params["VolumeSize"], call.now, direct=True, tags=tags,
        description=params.get("Description", ""), parent=parent.id if parent else None,
        encrypted=bool(params.get("Encrypted") or (parent and parent.encrypted)),
        kms_key=params.get("KmsKeyArn") or (parent.kms_key if parent else None),
        content=dict(parent.content) if parent else {}, timeout=60.0 * params.get("Timeout", 60),
    )  # fmt: skip
    snapshot.lineage = parent.lineage if parent else snapshot.id
    call.region.snapshots[snapshot.id] = snapshot
    _watch(call, snapshot)
    return {
        "Description": snapshot.description or None, "SnapshotId": snapshot.id, "OwnerId": call.account,
        "Status": "pending", "StartTime": call.now, "VolumeSize": snapshot.size_gib, "BlockSize": BLOCK,
        "Tags": shown_tags(tags), "ParentSnapshotId": snapshot.parent, "KmsKeyArn": snapshot.kms_key,
    }  # fmt: skip


def _watch(call: Call, snapshot: Snapshot) -> None:
    snapshot.write_until = call.now + snapshot.timeout
    clock = call.world.clock

    def check() -> None:
        if snapshot.state != "pending" or snapshot.write_until is None:
            return
        if clock.now >= snapshot.write_until:
            snapshot.state = "error"
        else:
            clock.after(snapshot.write_until - clock.now, check)

    clock.after(snapshot.timeout, check)


def _writable(call: Call, snapshot_id: str) -> Snapshot:
    snapshot = _find(call, snapshot_id)
    if snapshot.state == "error":
        raise _invalid("The snapshot was given up: no block came in time.", "WRITE_REQUEST_TIMEOUT")
    if not snapshot.direct or snapshot.state != "pending" or snapshot.write_until is None:
        raise _invalid(f"The snapshot '{snapshot_id}' takes no blocks.", "INVALID_SNAPSHOT_ID")
    return snapshot


@operation("ebs", "PutSnapshotBlock")
def put_snapshot_block(call: Call, params: dict[str, Any]) -> dict[str, Any]:
    """Writes one whole block, whose digest must be right."""
    snapshot, index, data = _writable(call, params["SnapshotId"]), params["BlockIndex"], params["BlockData"]
    if len(data) != BLOCK or params["DataLength"] != BLOCK:
        raise _invalid(f"A block has {BLOCK} bytes.", "INVALID_BLOCK")
    if not 0 <= index < snapshot.size_gib * _PER_GIB:
        raise _invalid(f"Block {index} lies outside of the volume.", "INVALID_BLOCK")
    digest = checksum(hashlib.sha256(data).digest())
    if digest != params["Checksum"]:
        raise _invalid("The checksum is not that of the data.", "INVALID_BLOCK")
    if params.get("Progress", 0) > 100:
        raise _invalid("Progress is a percentage.", "INVALID_PARAMETER_VALUE")
    block = Block(data=data)
    snapshot.content[index] = snapshot.changed[index] = block
    snapshot.write_until = call.now + snapshot.timeout
    return {"Checksum": digest, "ChecksumAlgorithm": "SHA256"}


@operation("ebs", "CompleteSnapshot")
def complete_snapshot(call: Call, params: dict[str, Any]) -> dict[str, Any]:
    """Seals a snapshot, if it holds what the caller believes it to hold."""
    snapshot = _writable(call, params["SnapshotId"])
    if params["ChangedBlocksCount"] != len(snapshot.changed):
        message = f"{len(snapshot.changed)} blocks were written, not {params['ChangedBlocksCount']}."
        raise _invalid(message, "INVALID_PARAMETER_VALUE")
    told = [name for name in ("Checksum", "ChecksumAlgorithm", "ChecksumAggregationMethod") if name in params]
    if told and len(told) < 3:
        raise _invalid("Checksum, algorithm and aggregation method belong together.", "INVALID_PARAMETER_VALUE")
    whole = linear([snapshot.changed[index] for index in sorted(snapshot.changed)])
    if told and params["Checksum"] != whole:
        raise _invalid("The checksum is not that of the blocks written.", "INVALID_PARAMETER_VALUE")
    snapshot.write_until = None
    world = call.world

    def completed() -> None:
        snapshot.state, snapshot.completes = "completed", world.now

    world.clock.after(call.rule("ebs.seal_seconds"), completed)
    return {"Status": "pending"}
