"""Virtual time: nothing happens in the fake but by this clock."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from datetime import UTC, datetime


class Timer:
    """A planned event; it may be called off."""

    def __init__(self, due: float, run: Callable[[], None]) -> None:
        self.due = due
        self.run = run
        self.live = True

    def cancel(self) -> None:
        """Calls the event off; harmless when it has happened."""
        self.live = False


class Clock:
    """Seconds since 1970, moved by hand."""

    def __init__(self, start: float) -> None:
        self.now = start
        self._queue: list[tuple[float, int, Timer]] = []
        self._count = 0

    def after(self, seconds: float, run: Callable[[], None]) -> Timer:
        """Plans an event; one that is due at once happens with the next advance, even of 0 seconds."""
        timer = Timer(self.now + max(0.0, seconds), run)
        self._count += 1
        heapq.heappush(self._queue, (timer.due, self._count, timer))
        return timer

    def advance(self, seconds: float) -> None:
        """Moves time on; all events on the way happen in order, each at its own time."""
        if seconds < 0:
            raise ValueError("time does not run backwards here")
        until = self.now + seconds
        while self._queue and self._queue[0][0] <= until:
            due, _, timer = heapq.heappop(self._queue)
            self.now = max(self.now, due)
            if timer.live:
                timer.live = False
                timer.run()
        self.now = until

    @property
    def next_due(self) -> float | None:
        """When the next event is due."""
        live = [timer.due for _, _, timer in self._queue if timer.live]
        return min(live) if live else None


def stamp(seconds: float) -> datetime:
    """A time of the clock with its zone."""
    return datetime.fromtimestamp(seconds, tz=UTC)
