"""The garbage collector that many an account runs: it deletes what nobody tagged."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from .scenario import only
from .world import World


class Found(NamedTuple):
    """Something that may be collected."""

    id: str
    created: float
    tags: dict[str, Any]
    remove: Callable[[], Any]


def start(
    world: World, given: dict[str, Any], kinds: list[str], others: set[str],
    find: Callable[[str], Iterable[Found]],
) -> None:  # fmt: skip
    """Deletes, every so often, each new thing of these kinds that still has not the tag.

    `others` are kinds that a scenario may ask for. What the scenario itself put there is left alone, unless it says that
    nothing is spared.
    """
    defaults = {"after_seconds": 900, "every_seconds": 60, "keep_tag": "keep", "kinds": kinds,
                "spares": True}  # fmt: skip
    only(given, set(defaults), "garbage_collector")
    settings: dict[str, Any] = {**defaults, **given}
    only(dict.fromkeys(settings["kinds"]), {*kinds, *others}, "garbage_collector's kinds")
    spared = {each.id for kind in {*kinds, *others} for each in find(kind) if settings["spares"]}

    def sweep() -> None:
        for kind in settings["kinds"]:
            for each in list(find(kind)):
                old = world.now - each.created >= settings["after_seconds"]
                if each.id not in spared and old and settings["keep_tag"] not in each.tags:
                    each.remove()
                    world.event("garbage collected", resource=each.id)
        world.clock.after(settings["every_seconds"], sweep)

    world.clock.after(settings["every_seconds"], sweep)
