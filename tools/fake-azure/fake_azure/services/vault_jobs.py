"""Jobs of both kinds of vaults: one at a time on an item, with an outcome that a fault may choose."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..arm import Resource
from ..errors import Fault
from ..world import Call, Job, Work, World

RUNNING = {"InProgress", "Cancelling"}


def free(call: Call, item: str) -> None:
    """Raises Fault when a backup runs on the item and a second one is refused."""
    busy = [job for job in call.world.jobs.values()
            if job.item == item and job.kind == "Backup" and job.status in RUNNING]  # fmt: skip
    if busy and call.rule("job.second_backup") == "refuse":
        raise Fault(call.rule("job.busy_error"), f"The job {busy[0].id} is in progress on this item.")


def activity(call: Call) -> str | None:
    """What a job says of the request that began it: what its client called it, where Azure hands that on."""
    asked = call.headers.get("x-ms-client-request-id")
    return asked if call.rule("job.activity_id") == "request" else None


def expire(world: World, point: Resource, at: float) -> None:
    """Lets a recovery point go at a time, by itself."""

    def gone() -> None:
        if world.find(point.id) is point:
            world.remove(point.id)
            world.event("recovery point expired", resource=point.id)

    world.clock.after(at - world.now, gone)


def begin(
    world: World, vault: str, kind: str, item: str, done: Callable[[Job], None], *, user: bool = True,
    activity: str | None = None, **shown: Any,
) -> Job:  # fmt: skip
    """Begins a job, behind the one that runs if need be."""
    seconds = world.rules["job.backup_seconds" if kind == "Backup" else "job.restore_seconds"]
    ahead = [job.started + job.seconds for job in world.jobs.values()
             if job.item == item and job.kind == kind == "Backup" and job.status in RUNNING]  # fmt: skip
    seconds += max([until - world.now for until in ahead], default=0.0)
    job = Job(world.ids.uuid("job"), vault, kind, item, "InProgress", world.now, seconds, user, activity=activity,
              shown=shown)  # fmt: skip
    world.jobs[job.id] = job
    outcome = next(iter(world.faults.take({f"{kind}Job"}, {"item": item})), None)
    job.timer = world.clock.after(seconds, lambda: _finish(world, job, outcome, done))
    world.event(f"{kind} job InProgress", job=job.id, item=item)
    return job


def foredoom(world: World, job: Job, reason: str | None) -> None:
    """Lets a job fail soon whose vault may not do what it is for; nothing is done when there is no reason."""
    if reason is None:
        return
    job.timer.cancel()
    job.error = {"code": world.rules["vault.rights_error"], "message": reason, "warnings": []}
    job.timer = world.clock.after(world.rules["job.rights_seconds"], lambda: end(world, job, "Failed"))


def _finish(world: World, job: Job, outcome: dict[str, Any] | None, done: Callable[[Job], None]) -> None:
    if job.status == "Cancelling" and not world.rules["job.late_completion_wins"]:
        return
    status = outcome["state"] if outcome else "Completed"
    if status == "Paused":
        job.status = status
        world.event(f"{job.kind} job Paused", job=job.id)
        return
    if outcome is not None:
        job.error = {"code": outcome.get("code", "UserErrorInjected"),
                     "message": outcome.get("message", "The job did not succeed."),
                     "warnings": outcome.get("warnings", [])}  # fmt: skip
    if status in {"Completed", "CompletedWithWarnings"}:
        done(job)
    end(world, job, status)


def end(world: World, job: Job, status: str) -> None:
    """The job's last state."""
    job.status, job.ended = status, world.now
    job.timer.cancel()
    world.event(f"{job.kind} job {status}", job=job.id)


def reached(call: Call, job: Job, info: dict[str, Any], *, result: bool) -> Work:
    """An operation that ends when its job is in the list; a job whose operation fails goes no further."""

    def failed(error: dict[str, Any]) -> None:
        job.error = {"code": error["code"], "message": error["message"], "warnings": []}
        end(call.world, job, "Failed")

    return Work(call.rule("job.start_delay_seconds"), lambda: None, failed, result=lambda: info if result else None,
                info=lambda: info, resource=job.vault)  # fmt: skip


def cancel(world: World, job: Job) -> None:
    """Begins to cancel a job."""
    job.status = "Cancelling"
    world.event(f"{job.kind} job Cancelling", job=job.id)

    def ended() -> None:
        if job.status == "Cancelling":
            end(world, job, "Cancelled")

    world.clock.after(world.rules["job.cancel_seconds"], ended)


def listed(call: Call, vault: str) -> list[Job]:
    """The jobs of a vault that are in its list by now, newest first."""
    delay = call.rule("job.start_delay_seconds")
    found = [job for job in call.world.jobs.values() if job.vault == vault and call.now >= job.started + delay]
    return sorted(found, key=lambda job: -job.started)


def find(call: Call, vault: str, name: str) -> Job:
    """A job of a vault.

    Raises Fault when there is none.
    """
    job = call.world.jobs.get(name.lower())
    if job is None or job.vault != vault:
        raise Fault("ResourceNotFound", f"The job {name} was not found.")
    return job


def duration(world: World, job: Job) -> str:
    """How long a job has run, as ISO 8601 has it."""
    seconds = int((job.ended or world.now) - job.started)
    return f"PT{seconds // 3600}H{seconds % 3600 // 60}M{seconds % 60}S"
