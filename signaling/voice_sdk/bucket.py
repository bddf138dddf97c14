"""A rate with a burst: how much of something a peer may do. Pure; time is handed in."""


class Bucket:
    """Holds ``burst`` at first and at most, and fills up by ``per_s`` every second."""

    def __init__(self, *, per_s: float, burst: int, now: float) -> None:
        self._per_s = per_s
        self._burst = burst
        self._level = float(burst)
        self._at = now

    def take(self, now: float) -> bool:
        """Whether one more is within the rate."""
        self._level = min(self._burst, self._level + (now - self._at) * self._per_s)
        self._at = now
        if self._level < 1:
            return False
        self._level -= 1
        return True
