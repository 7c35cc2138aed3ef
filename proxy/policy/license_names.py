"""Legacy names of licences: what people wrote before SPDX, and the identifier that they meant. A table.

Only names that mean one licence are here; a name that leaves something open ("BSD", "GPL") is left to the families.
Texts are compared without case, punctuation and the words that say nothing ("the", "license", "version"). "or later"
is written in many ways, and is no choice between two licences: it becomes "+" before anything reads the text.
"""

import re
from collections.abc import Mapping

from proxy.model.bounds import LONGEST

_NOISE = re.compile(r"\b(?:the|licen[cs]e[ds]?|version|v(?=\d|\.)|software|gnu|under)\b|[^a-z0-9+.<>=|&]+")
_LATER_WORDS = r"(?:later|newer|above|greater|higher|up|upwards?|onwards?|future|subsequent|beyond)"
_LATER = re.compile(
    r"[\s,;_-]{0,3}(?P<open>\()?\s?\b(?:or|and)[\s_-]+(?:\(?at\s+your\s+(?:option|choice)\)?,?\s+)?(?:any\s+|the\s+|all\s+)?"
    rf"{_LATER_WORDS}\b(?:\s+(?:versions?|releases?|licen[cs]es?)\b)?(?:\s+of\s+the\s+licen[cs]e\b)?"
    r"(?:\s+\(?at\s+your\s+(?:option|choice)\)?)?(?(open)\s?\))",
    re.IGNORECASE,
)
_SAYS_LATER = re.compile(rf"\b{_LATER_WORDS}\b", re.IGNORECASE)
#: What SPDX itself writes behind an identifier.
_SPDX_LATER = re.compile(r"[A-Za-z]-[0-9.]+-or-later\b(?!-)")
_TWICE = re.compile(r"(.+) \1")
_V = re.compile(r"\bv\.?(?=\d)|(?<=l)v(?=\d)")

_NAMES: Mapping[str, tuple[str, ...]] = {
    "MIT": ("mit", "expat", "mit/expat", "mit x11", "the mit license (mit)"),
    "Apache-2.0": (
        "apache 2.0", "apache-2", "apache 2", "apache2", "apache2.0", "asl 2.0", "apache license v2.0", "al2",
        "apache software license 2.0", "apache license (== 2.0)", "apache 2.0 license",
    ),
    "BSD-3-Clause": (
        "bsd 3-clause", "3-clause bsd", "bsd-3", "bsd 3", "bsd3", "new bsd", "modified bsd", "bsd_3_clause",
        "new bsd license (3-clause)", "revised bsd", "bsd three clause",
    ),
    "BSD-2-Clause": (
        "bsd 2-clause", "2-clause bsd", "bsd-2", "bsd 2", "bsd2", "simplified bsd", "freebsd", "bsd_2_clause",
        "bsd two clause",
    ),
    "GPL-2.0-only": ("gpl-2", "gpl2", "gplv2", "gpl 2.0", "gpl-2.0", "general public license v2 (gplv2)"),
    "GPL-2.0-or-later": ("gpl-2+", "gpl2+", "gplv2+", "gpl v2 or later", "general public license v2 or later (gplv2+)"),
    "GPL-3.0-only": (
        "gpl-3", "gpl3", "gplv3", "gpl 3.0", "gpl-3.0", "general public license v3 (gplv3)",
        "general public license v3.0",
    ),
    "GPL-3.0-or-later": ("gpl-3+", "gpl3+", "gplv3+", "gpl v3 or later", "general public license v3 or later (gplv3+)"),
    "LGPL-2.1-only": ("lgpl-2.1", "lgplv2.1", "lgpl 2.1"),
    "LGPL-2.1-or-later": ("lgpl-2.1+", "lgplv2.1+", "lgpl 2.1 or later"),
    "LGPL-3.0-only": ("lgpl-3", "lgpl3", "lgplv3", "lgpl-3.0", "lesser general public license v3 (lgplv3)"),
    "LGPL-3.0-or-later": (
        "lgpl-3+", "lgpl3+", "lgplv3+", "lesser general public license v3 or later (lgplv3+)",
    ),
    "AGPL-3.0-only": ("agpl-3", "agpl3", "agplv3", "agpl-3.0", "affero general public license v3"),
    "AGPL-3.0-or-later": (
        "agpl-3+", "agpl3+", "agplv3+", "affero general public license v3 or later (agplv3+)",
    ),
    "MPL-2.0": (
        "mpl 2.0", "mpl2", "mpl-2", "mplv2", "mozilla public license 2.0", "mozilla public license 2.0 (mpl 2.0)",
    ),
    "MPL-1.1": ("mpl 1.1", "mozilla public license 1.1", "mozilla public license 1.1 (mpl 1.1)"),
    "PSF-2.0": ("psf", "psfl", "python software foundation", "psf 2", "python software foundation license (psf)"),
    "Python-2.0": ("python 2.0",),
    "ISC": ("isc", "iscl", "isc license (iscl)"),
    "Zlib": ("zlib", "zlib/libpng"),
    "ZPL-2.1": ("zpl 2.1", "zope public license 2.1", "zope public 2.1"),
    "BSL-1.0": ("boost", "boost 1.0", "boost software license 1.0 (bsl-1.0)"),
    "Artistic-2.0": ("artistic 2.0", "artistic_2", "artistic license 2.0"),
    "EPL-1.0": ("epl 1.0", "eclipse public license 1.0"),
    "EPL-2.0": ("epl 2.0", "eclipse public license 2.0"),
    "Unlicense": ("unlicense", "unlicense (unlicense)"),
    "CC0-1.0": ("cc0", "cc0 1.0", "cc0 1.0 universal"),
    "OpenSSL": ("openssl",),
    "curl": ("curl",),
    "TCL": ("tcl/tk", "tcl"),
    "bzip2-1.0.6": ("bzip2",),
    "Artistic-1.0-Perl OR GPL-1.0-or-later": ("perl_5", "perl", "perl 5", "same as perl", "same terms as perl itself"),
}  # fmt: skip

#: Texts that say nothing: the licence stays unknown.
_NOTHING = frozenset(
    {
        "", "unknown", "none", "n/a", "na", "null", "noassertion", "license", "licence", "license.txt", "license.md",
        "see license", "see license file", "see license.txt", "file license", "other", "custom", "tbd", "todo", "?",
        "-", "various", "multiple", "see license in file", "dual license", "osi approved",
    }
)  # fmt: skip


def cut_later(text: str) -> str:
    """Return the text with "+" for every "or later", however it is written; SPDX's own `-or-later` stays.

    The text is short (proxy.model.bounds).
    """
    kept = [found.span() for found in _SPDX_LATER.finditer(text)]
    return _LATER.sub(lambda found: found[0] if any(a < found.start() < b for a, b in kept) else "+", text)


def says_later(text: str) -> bool:
    """Tell whether a choice of an OR is "any later version" in words that `cut_later` does not know."""
    return _SAYS_LATER.search(text) is not None and _SPDX_LATER.search(text) is None


def _plain(text: str) -> str:
    """Return what is left of a name when case, punctuation and noise are gone."""
    spaced = _NOISE.sub(" ", _V.sub(" ", cut_later(text).lower()))
    plain = " ".join(spaced.split()).rstrip(".").replace(" +", "+").removesuffix(" only")
    for long, short in _LONG_FORMS:
        plain = plain.replace(long, short)
    twice = _TWICE.fullmatch(plain)
    return twice[1] if twice else plain


#: With the noise gone.
_LONG_FORMS = (
    ("lesser general public", "lgpl"),
    ("affero general public", "agpl"),
    ("affero gpl", "agpl"),
    ("general public", "gpl"),
)
_IDENTIFIERS = {_plain(name): identifier for identifier, names in _NAMES.items() for name in names}


def identifier_of(text: str) -> str | None:
    """Return the SPDX identifier, or expression, that a legacy name means, or None."""
    if len(text) > LONGEST:
        return None
    plain = _plain(text)
    return _IDENTIFIERS.get(plain) or _IDENTIFIERS.get(plain.removesuffix("+"))


def says_nothing(text: str | None) -> bool:
    """Tell whether a licence's text names no licence."""
    return text is None or text.strip().strip(".").lower() in _NOTHING
