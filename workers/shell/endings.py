"""How a worker's process ends, as its supervisor sees it."""

from enum import IntEnum


class Exit(IntEnum):
    """Exit codes of a worker. A supervisor restarts after all but STOPPED, with back-off."""

    STOPPED = 0
    """Asked to stop: its shards left snapshots, and it left the group."""
    UNUSABLE = 1
    """It could not start, or something outside the stage failed: settings, registry, topics, group."""
    CORE_FAILED = 3
    """The stage's own code raised. Nothing of that batch was published."""
    FENCED = 4
    """Another process owns the shards, the membership or the clock now."""
    STATE_UNTRUSTED = 5
    """The state cannot be rebuilt as it was: a replay differs, or what it needs is gone from the log."""
    STALLED = 6
    """There was work and no progress for longer than the limit."""
    BROKER_FAILED = 7
    """The broker did not take a transaction within the limit."""


class WorkerError(Exception):
    """A reason to end the process. The text is a sentence for the log."""

    def __init__(self, code: Exit, sentence: str) -> None:
        """The exit code and why."""
        super().__init__(sentence)
        self.code = code
