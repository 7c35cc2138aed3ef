"""Bounds: how much of a text that somebody else wrote may be read for its meaning.

Specs, versions, requirements, markers and licences are read by native or recursive code, which a long or deep text can
stop or crash. None of it is given a text that `is_readable` refuses. What is refused counts as unknown or cannot be
judged, and so is hidden by the rule that needs it (design, law 4); nothing real comes near these bounds.
"""

#: The most characters of one text.
LONGEST = 500
#: The same of a requirement with its marker; the longest real ones have some 400.
LONGEST_REQUIREMENT = 4096
#: The most brackets that are open at once.
DEEPEST = 32


def is_readable(text: str, longest: int = LONGEST) -> bool:
    """Return whether the text is neither too long nor nested too deep to be given to a parser."""
    if len(text) > longest:
        return False
    return text.count("(") + text.count("[") <= DEEPEST or _depth(text) <= DEEPEST


def _depth(text: str) -> int:
    """Return how many brackets are open at once at most; one that closes nothing counts for nothing."""
    depth = deepest = 0
    for sign in text:
        if sign in "([":
            depth += 1
            deepest = max(deepest, depth)
        elif sign in ")]":
            depth = max(0, depth - 1)
    return deepest
