"""How fast calls may be placed: one after the other at a steady rate, in the order they were asked for.

Pure; time comes in. Source: Twilio Call resource, queue_time (calls per second of an account).
"""


class Pace:
    """per_second: calls placed at most; longest_wait_s: beyond it none more is taken."""

    def __init__(self, per_second: float, *, longest_wait_s: float) -> None:
        self._spacing_s = 1 / per_second
        self._longest_wait_s = longest_wait_s
        self._next_s = 0.0

    def reserve(self, now_s: float) -> float | None:
        """How long from now this one has to wait, or None when it has no place. Burst: what one second allows."""
        turn = max(self._next_s, now_s - 1.0)
        wait_s = max(0.0, turn - now_s)
        if wait_s > self._longest_wait_s:
            return None
        self._next_s = turn + self._spacing_s
        return wait_s
