"""Fresh children for large jobs (design, section 4, Processes).

Nothing that holds the GIL for more than 20 ms runs in a serving process. A job that may (splitting, parsing or
rendering something large) is a module-level function that takes and returns plain JSON values; paths go in and
out, never bytes. It runs in a process of its own with an address-space limit, so that a bomb kills the child and
nobody else.
"""
