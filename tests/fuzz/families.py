"""Nasty texts: name -> the text of some size. Every reader gets all of them, in each of its frames."""

from collections.abc import Callable, Mapping

Family = Callable[[int], str]

#: Long runs of one character.
_RUNS = "()[]{}<>\"'\\/|-_.,;:=+*?!%&#@~^$ \t\n\r019aAtZé\u0130\u2028\x00\x1b\x7f\ud800"
#: Repeated words: what readers look for, and what makes them begin again and again.
_WORDS = (
    "()", "(a", "a(", "a ", " a", "1.", ".1", "1,", "1-", "-1", "1!", "1_", "a1", "1a", "aA", "--", "_-", "-.",
    "..", "../", "/t/", "/%74", "%2f", "%", "%25", "%00", "%zz", "//", "/.", "/../", "a/", "a=", "a=1 ", "=a,",
    "a=b;", ",;", ";q=", "*,", "*a", "?*", "[a", "a]", "[a]", "[]", "[[]]", "{}", "{a}", "${", "\\u0041",
    "\\ud800", '\\"', "\\\\", '"a"', "'a'", '"a":1,', "GPL ", "GPL2 ", "MIT OR ", "MIT AND (",
    "GNU GENERAL PUBLIC LICENSE ", "AFFERO", "LicenseRef-", "WITH ", "CC", "and ", " or ", "not ", "in ",
    "extra ", "os_name == 'x' and ", "(os_name == 'x') or ", ">1,", ">=1.*|", "!=3.1.*,", "==1 ", "~=1,", ">",
    "1|", "3.11.1|", "python ", "if ", "GENERAL ", "<a>", "<a ", "</a>", "<a href=x>", "<a href='", ' href="',
    ' href="" ', "<p>", "<!--", "-->", "<![CDATA[", "</", "<a<", "&amp;", "&#", "&a", "<table><tr><td>",
    "<b><i>", "\r\n", "\n ", "\n\t", ": ", "a: b\n", "Name: a\n", "Requires-Dist: a\n", "for=a,", "bytes=0-1,",
    "0-0,", '"W/', 'W/"a",', "-py3", ".macosx-1.", "-1.0", "http://", "http://a@", "@a", "::", ":a", "0x",
    "\x1b[", "feedgate-", "[1,", '{"a":', "null,", "-----BEGIN CERTIFICATE-----", "a.b.", "a-", "\xe9",
    "\U0001f600", "K", "fi",
)  # fmt: skip


def _run(unit: str) -> Family:
    return lambda n: (unit * (n // len(unit) + 1))[:n]


def _nested(opening: str, inner: str, closing: str) -> Family:
    return lambda n: (
        opening * (n // (len(opening) + len(closing)))
        + inner
        + closing * (n // (len(opening) + len(closing)))
    )


def _ended(unit: str) -> Family:
    return lambda n: _run(unit)(n) + "!"


FAMILIES: Mapping[str, Family] = {
    **{f"run {char!a}": _run(char) for char in _RUNS},
    **{f"word {word!a}": _run(word) for word in _WORDS},
    **{f"ends {word!a}": _ended(word) for word in ("1", "a", "a-", "1.", "/", " ")},
    **{
        f"nested {opening!a}": _nested(opening, inner, closing)
        for opening, inner, closing in (
            ("(", ">1", ")"), ("(", "MIT", ")"), ("[", "1", "]"), ('{"a":', "1", "}"), ("<b>", "a", "</b>"),
            ("(MIT OR ", "MIT", ")"), ("(os_name == 'x' or ", "os_name == 'x'", ")"), ("(>1,", ">1", ")"),
            ("a[", "a", "]"),
        )
    },
    "counting": lambda n: ",".join(str(at) for at in range(n // 6)),
    "counting words": lambda n: " ".join(f"a{at}=1" for at in range(n // 8)),
    "counting versions": lambda n: ",".join(f"!=3.11.{at}" for at in range(n // 10)),
    "counting attributes": lambda n: "<a " + "/".join(f"a{at}" for at in range(n // 6)) + ">",
    "counting quoted": lambda n: "<a " + "".join(f"a{at}=''" for at in range(n // 8)) + ">",
    "counting keys": lambda n: "{" + ",".join(f'"a{at}":{at}' for at in range(n // 12)) + "}",
    "digits": lambda n: "1." + "9" * n,
    "huge count": lambda n: "9" * min(n, 4000),
}  # fmt: skip
#: Pieces that random texts are put together from.
PIECES = tuple(_RUNS) + _WORDS
