"""Why the state cannot be used: told once, at the start, with what to do next.

State is what the origin cannot tell again, so a doubt about it stops the start; it is never replaced by an
empty one (reliability, B09). What goes wrong later, while running, is a `Problem`.
"""

from collections.abc import Sequence


class StateError(Exception):
    """The start is refused. `steps` are the lines a person follows, in order."""

    def __init__(self, what: str, steps: Sequence[str] = ()) -> None:
        super().__init__(what)
        self.what = what
        self.steps = tuple(steps)

    def __str__(self) -> str:
        return "\n".join((self.what, *(f"  {number}. {step}" for number, step in enumerate(self.steps, 1))))


class AlreadyRunningError(StateError):
    """Another process holds the data folder."""
