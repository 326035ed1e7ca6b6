"""Counts by name, with a limit."""

from collections import Counter


class Tally:
    """How many of something each has; who has none takes no memory."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()

    def take(self, whose: str, count: int, most: int) -> bool:
        """So many more, unless that would be too many; whether they were given."""
        if self._counts[whose] + count > most:
            return False
        if count:
            self._counts[whose] += count
        return True

    def give_back(self, whose: str, count: int = 1) -> None:
        """So many that were taken."""
        self._counts[whose] -= count
        if not self._counts[whose]:
            del self._counts[whose]
