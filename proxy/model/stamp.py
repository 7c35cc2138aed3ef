"""What tells a file from another of its name, without reading it."""

#: Time of the last change in nanoseconds, size, inode; None: it is not there.
Stamp = tuple[int, int, int] | None
