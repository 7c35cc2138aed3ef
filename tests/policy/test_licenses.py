"""Licences: conda's families, SPDX expressions, PyPI's three fields, and the words of a block list."""

import msgspec
import pytest

from proxy.model.verdict import Outcome
from proxy.policy.classifiers import identifiers_of
from proxy.policy.facts import License
from proxy.policy.families import FAMILIES, mentions_of
from proxy.policy.license import AllOf, AnyOf, Named, Tree, read
from proxy.policy.license_words import Answer, BadLicenseWord, Words, parse_word
from proxy.policy.settings import Kind
from tests.policy.made import conda, policy, pypi, verdict
from tests.policy.vectors import lines, vectors

OSI = "License :: OSI Approved"
#: Where only the letters of conda-build's guess are in the text ("unlIMITed", "ACCompanying", "PARalyzer ... you").
LETTERS = {
    "Unlimited": "OTHER",
    "GNU General Public License (GPL)": "GPL",
    "Artistic License (Perl) 1.0 | GNU General Public License (GPL)": "GPL",
    "Python Software Foundation License": "PSF",
    "Python software foundation license": "PSF",
    "None": "OTHER",
    "MPL-2.0 | file LICENSE": "MOZILLA",
}


def families(tree: Tree) -> set[str]:
    if isinstance(tree, Named):
        return set(tree.families)
    return set().union(*(families(part) for part in tree.parts))


def answer(words: list[str], licence: License | str | None, kind: Kind = "conda") -> Answer:
    given = License(licence) if not isinstance(licence, License) else licence
    return Words(words).judge(read(kind, given)).answer


def test_a_real_conda_licence_is_met_by_the_family_that_conda_build_gives_it() -> None:
    rows = [(text, family) for text, _, family in vectors("license_families")["license"] if text is not None]
    assert len(rows) > 350
    missed = [
        (text, family)
        for text, family in rows
        if LETTERS.get(text, family) not in families(read("conda", License(text))) and len(text) < 100
    ]
    assert missed == []


@pytest.mark.parametrize(
    ("text", "named", "is_name"),
    [
        ("GPL (>= 2)", {"GPL", "GPL2", "GPL3"}, True),
        ("GPL-2", {"GPL", "GPL2"}, True),
        ("GNU General Public License (GPL)", {"GPL", "GPL2", "GPL3"}, True),
        ("GNU Library or Lesser General Public License (LGPL)", {"LGPL"}, True),
        ("GNU Affero GPL 3.0", {"AGPL"}, True),
        ("aGPL v3", {"AGPL"}, True),
        ("gpl_3", {"GPL", "GPL3"}, True),
        ("MPLv2.0, MIT", {"MOZILLA", "MIT"}, True),
        ("GPL-2 | MIT + file LICENSE", {"GPL", "GPL2", "MIT"}, True),
        ("Commercial, GPL-2.0, GPL-3.0", {"GPL", "GPL2", "GPL3"}, False),
        ("LGPL, BSD-like, ZPL", {"LGPL", "BSD"}, False),
        ("Free software (MIT-like)", {"MIT"}, False),
        ("proprietary - Continuum Analytics, Inc.", {"PROPRIETARY"}, False),
        ("Creative Commons Attribution License", {"CC"}, True),
        ("CCPL (Creative Commons Public License)", {"CC"}, True),
        ("Apache Software License V.2", {"APACHE"}, True),
        ("PUBLIC DOMAIN", {"PUBLIC-DOMAIN"}, True),
        ("commercial use not perMITted", {"OTHER"}, False),
        ("ACCept the EULA", {"OTHER"}, False),
        ("Unlimited", {"OTHER"}, False),
        ("subMIT your changes", {"OTHER"}, False),
        ("MIT" * 400, {"OTHER"}, False),
    ],
)
def test_families_that_a_text_names(text: str, named: set[str], is_name: bool) -> None:
    assert tuple(mentions_of(text)) == (named, is_name)


@pytest.mark.parametrize(
    "text",
    [
        "GPL3 or later", "GPLv3 or any later version", "GPL version 3 or newer", "GPL (version 3 or later)",
        "GPL-3.0 or (at your option) any later version", "GPLv3 and later", "gplv3-or-later", "GPL 3 or above",
        "GNU GPL v3 or later versions", "GNU General Public License v3 or later (GPLv3+)", "GPL-3.0-or-later",
        "GPL-3.0 OR LATER", "GPL3 (or later)", "GPL3, or greater", "GPLv3 or whatever comes later",
    ],
)  # fmt: skip
@pytest.mark.parametrize("kind", ["conda", "pypi"])
def test_or_later_is_no_choice_of_another_licence(text: str, kind: Kind) -> None:
    assert answer(["GPL3"], text, kind) is Answer.BLOCKED
    assert answer(["GPL-3.0-only"], text, kind) is Answer.BLOCKED
    assert answer(["GPL2", "MIT"], text, kind) is Answer.PASSES


@pytest.mark.parametrize(
    ("expression", "words", "expected"),
    [
        ("MIT OR GPL-3.0-only", ["GPL3"], Answer.PASSES),
        ("MIT OR GPL-3.0-only", ["GPL3", "MIT"], Answer.BLOCKED),
        ("MIT AND GPL-3.0-only", ["GPL3"], Answer.BLOCKED),
        ("MIT AND (BSD-3-Clause OR GPL-2.0-only)", ["GPL2"], Answer.PASSES),
        ("MIT AND (BSD-3-Clause OR GPL-2.0-only)", ["GPL2", "BSD"], Answer.BLOCKED),
        ("GPL-2.0-only WITH Classpath-exception-2.0", ["GPL2"], Answer.BLOCKED),
        ("GPL-2.0-only WITH Classpath-exception-2.0", ["GPL3"], Answer.PASSES),
        ("AGPL-3.0-or-later", ["AGPL-3.0-only"], Answer.BLOCKED),
        ("AGPL-3.0-only", ["AGPL-3.0-or-later"], Answer.BLOCKED),
        ("GPL-3.0-only", ["GPL-2.0-or-later"], Answer.BLOCKED),
        ("GPL-2.0-only", ["GPL-3.0-or-later"], Answer.PASSES),
        ("GPL-2.0+", ["GPL2"], Answer.BLOCKED),
        ("GPL-3.0-or-later", ["GPL3"], Answer.BLOCKED),
        ("gpl-3.0-or-later", ["gpl3"], Answer.BLOCKED),
        ("LGPL-3.0-only", ["GPL3", "GPL"], Answer.PASSES),
        ("AGPL-3.0-only", ["GPL3", "GPL"], Answer.PASSES),
        ("GPL-1.0-or-later", ["GPL2"], Answer.BLOCKED),
        ("0BSD", ["BSD"], Answer.PASSES),
        ("MPL-2.0", ["Mozilla"], Answer.BLOCKED),
        ("CC-BY-4.0", ["CC"], Answer.BLOCKED),
        ("LicenseRef-Acme", ["Other"], Answer.BLOCKED),
        ("LicenseRef-Acme", ["LicenseRef-Acme"], Answer.BLOCKED),
        ("LicenseRef-Acme", ["MIT"], Answer.UNKNOWN),
        ("LicenseRef-Public-Domain", ["MIT"], Answer.UNKNOWN),
        ("LicenseRef-IntelProprietaryTools", ["Proprietary"], Answer.BLOCKED),
        ("LicenseRef-ProprietaryMicrosoft", ["Proprietary"], Answer.BLOCKED),
        ("MIT AND LicenseRef-Acme", ["GPL3"], Answer.UNKNOWN),
        ("MIT OR LicenseRef-Acme", ["GPL3"], Answer.PASSES),
        ("commercial use not perMITted", ["MIT"], Answer.UNKNOWN),
        ("ACCept the EULA", ["CC"], Answer.UNKNOWN),
        ("Unlimited", ["MIT"], Answer.UNKNOWN),
        ("Free software (MIT-like)", ["MIT"], Answer.BLOCKED),
        ("Free software (MIT-like)", ["GPL3"], Answer.UNKNOWN),
        ("AGPL v3 or later", ["AGPL-3.0-only"], Answer.BLOCKED),
        ("GPLv2 or any later version", ["GPL2"], Answer.BLOCKED),
        ("Apache 2.0 or later", ["Apache-2.0"], Answer.BLOCKED),
        ("GNU Lesser General Public License version 2.1 or later.", ["LGPL-2.1-or-later"], Answer.BLOCKED),
        ("GPL-3 | file LICENSE", ["GPL-2.0-only"], Answer.PASSES),
        ("Commercial, GPL-2.0, GPL-3.0", ["GPL2"], Answer.BLOCKED),
        ("LGPL, MIT", ["MIT"], Answer.BLOCKED),
        ("LicenseRef-Acme-Proprietary", ["Proprietary"], Answer.BLOCKED),
        ("Weird-1.0 AND MIT", ["GPL3"], Answer.UNKNOWN),
        ("Weird-1.0 AND MIT", ["MIT"], Answer.BLOCKED),
        ("Weird-1.0 OR MIT", ["GPL3"], Answer.PASSES),
        ("Weird-1.0 OR MIT", ["MIT"], Answer.UNKNOWN),
        ("GPL", ["GPL2"], Answer.BLOCKED),
        ("GPL", ["GPL-3.0-only"], Answer.BLOCKED),
        ("BSD", ["BSD-3-Clause"], Answer.BLOCKED),
        ("GPLv3", ["GPL-3.0-only"], Answer.BLOCKED),
        ("Apache License, Version 2.0", ["Apache-2.0"], Answer.BLOCKED),
        ("GPL (>= 2)", ["GPL3"], Answer.BLOCKED),
        ("perl_5", ["GPL"], Answer.PASSES),
        ("unknown", ["GPL3"], Answer.UNKNOWN),
        ("Custom", ["Other"], Answer.BLOCKED),
        ("", ["GPL3"], Answer.UNKNOWN),
        (None, ["GPL3"], Answer.UNKNOWN),
        (None, ["None"], Answer.BLOCKED),
        ("(" * 200 + "MIT" + ")" * 200, ["MIT"], Answer.BLOCKED),
        ("MIT " * 1000, ["GPL3"], Answer.UNKNOWN),
        ("()", ["GPL3"], Answer.UNKNOWN),
        ("( OR - foo", ["GPL3"], Answer.UNKNOWN),
        ("see COPYING", ["ISC"], Answer.UNKNOWN),
        ("varies; see http://example.invalid/", ["GPL3"], Answer.UNKNOWN),
    ],
)
def test_conda_licence_against_words(expression: str | None, words: list[str], expected: Answer) -> None:
    assert answer(words, expression) is expected


@pytest.mark.parametrize(
    ("text", "family", "words", "expected"),
    [
        ("see COPYING", "GPL3", ["GPL3"], Answer.BLOCKED),
        ("see COPYING", "Other", ["GPL3"], Answer.PASSES),
        ("see COPYING", "Other", ["Other"], Answer.BLOCKED),
        (None, "gpl3", ["GPL3"], Answer.BLOCKED),
        ("MIT", "GPL3", ["GPL3"], Answer.BLOCKED),
        ("MIT", "GPL3", ["Apache"], Answer.PASSES),
        ("Weird-1.0 OR MIT", "GPL3", ["GPL3"], Answer.BLOCKED),
        ("LicenseRef-IntelSimplifiedSoftwareOct2022", "Proprietary", ["Proprietary"], Answer.BLOCKED),
        ("LicenseRef-IntelSimplifiedSoftwareOct2022", "Proprietary", ["GPL3"], Answer.PASSES),
        ("LicenseRef-NVIDIA-End-User-License-Agreement", None, ["GPL3"], Answer.UNKNOWN),
        ("LicenseRef-NVIDIA-End-User-License-Agreement", "LicenseRef-NVIDIA-End-User-License-Agreement", ["GPL3"],
         Answer.UNKNOWN),
        ("MIT AND LicenseRef-NVIDIA", "MIT", ["GPL3"], Answer.UNKNOWN),
        ("MIT AND LicenseRef-NVIDIA", "Proprietary", ["Proprietary"], Answer.BLOCKED),
        ("GNU General Public License (GPL)", "LGPL", ["GPL3"], Answer.BLOCKED),
        ("GNU General Public License (GPL)", "Public-Domain", ["GPL2"], Answer.BLOCKED),
        ("GNU General Public License v3 (GPLv3)", "Public-Domain", ["Public-Domain"], Answer.BLOCKED),
        ("GNU Affero General Public License v3 or later (AGPLv3+)", "Public-Domain", ["AGPL"], Answer.BLOCKED),
        ("Zlib", "BSD", ["BSD"], Answer.BLOCKED),
        ("bzip2", "BSD", ["BSD"], Answer.BLOCKED),
        ("bzip2-1.0.6", "BSD", ["BSD-3-Clause"], Answer.BLOCKED),
        ("BSL-1.0", "BSD", ["BSD"], Answer.BLOCKED),
        ("Academic Free License (AFL)", "Apache", ["Apache"], Answer.BLOCKED),
        ("OpenSSL", "Apache", ["Apache"], Answer.BLOCKED),
        ("BSD", "MIT", ["MIT"], Answer.BLOCKED),
        ("GPL", "MIT", ["GPL3"], Answer.BLOCKED),
        ("LGPL-2.1", "GPL", ["GPL3"], Answer.BLOCKED),
        ("GPL-2.0", "GPL", ["GPL3"], Answer.PASSES),
        ("GPL-2.0", "GPL", ["GPL-3.0-only"], Answer.PASSES),
        ("GPLv2", "GPL", ["GPL"], Answer.BLOCKED),
        ("BSD-3-Clause", "BSD", ["BSD-2-Clause"], Answer.PASSES),
        ("BSD-3-Clause", "BSD", ["BSD"], Answer.BLOCKED),
        ("Commercial or AGPLv3", "GPL", ["GPL3"], Answer.BLOCKED),
        ("LICENSE.txt", "PSF", ["GPL3"], Answer.PASSES),
        ("UNKNOWN", "None", ["GPL3"], Answer.UNKNOWN),
        ("Artistic-2.0", "Proprietary", ["Proprietary"], Answer.BLOCKED),
        ("MIT", "GPL-3.0-or-later", ["GPL3"], Answer.BLOCKED),
    ],
)  # fmt: skip
def test_text_or_family_of_a_record_meets_the_list(
    text: str | None, family: str | None, words: list[str], expected: Answer
) -> None:
    assert answer(words, License(text, family)) is expected


@pytest.mark.parametrize(
    ("licence", "words", "expected"),
    [
        (License(expression="MIT OR GPL-3.0-only", text="GPL", classifiers=("License :: Public Domain",)), ["GPL"],
         Answer.PASSES),
        (License(classifiers=(f"{OSI} :: MIT License",), text="GPL"), ["GPL"], Answer.BLOCKED),
        (License(classifiers=(f"{OSI} :: MIT License",), text="BSD"), ["GPL"], Answer.PASSES),
        (License(classifiers=(f"{OSI} :: MIT License",), text="see LICENSE.txt for what is perMITted"), ["GPL"],
         Answer.PASSES),
        (License(classifiers=(f"{OSI} :: BSD License",), text="BSD-3-Clause"), ["BSD-2-Clause"], Answer.PASSES),
        (License(classifiers=(f"{OSI} :: GNU General Public License (GPL)",), text="GPL v2"), ["GPL3"], Answer.PASSES),
        (License(classifiers=("License :: Other/Proprietary License",), text="MIT"), ["Proprietary"], Answer.BLOCKED),
        (License(expression="LicenseRef-Acme", classifiers=("License :: Other/Proprietary License",)),
         ["Proprietary"], Answer.BLOCKED),
        (License(expression="LicenseRef-Acme", text="GPL"), ["GPL3"], Answer.BLOCKED),
        (License(expression="LicenseRef-Acme"), ["GPL3"], Answer.UNKNOWN),
        (License(text="LicenseRef-Acme"), ["GPL3"], Answer.UNKNOWN),
        (License(text="commercial use not perMITted"), ["MIT"], Answer.UNKNOWN),
        (License(classifiers=(f"{OSI} :: GNU General Public License (GPL)",)), ["GPL2"], Answer.BLOCKED),
        (License(classifiers=(f"{OSI} :: GNU General Public License (GPL)",)), ["GPL3"], Answer.BLOCKED),
        (License(classifiers=(f"{OSI} :: GNU Lesser General Public License v3 (LGPLv3)",)), ["GPL3"],
         Answer.PASSES),
        (License(classifiers=(f"{OSI} :: BSD License",)), ["BSD-2-Clause"], Answer.BLOCKED),
        (License(classifiers=(f"{OSI} :: MIT License",
                              f"{OSI} :: GNU General Public License v3 (GPLv3)")), ["GPL3"], Answer.BLOCKED),
        (License(classifiers=(OSI,), text="BSD"), ["BSD"], Answer.BLOCKED),
        (License(classifiers=("License :: DFSG approved", "Programming Language :: Python")), ["BSD"], Answer.UNKNOWN),
        (License(classifiers=("License :: Other/Proprietary License",)), ["Proprietary"], Answer.BLOCKED),
        (License(text="Apache 2.0"), ["Apache"], Answer.BLOCKED),
        (License(text="MIT License"), ["MIT"], Answer.BLOCKED),
        (License(text="MIT License\n\nPermission is hereby granted"), ["GPL"], Answer.UNKNOWN),
        (License(text="x" * 101), ["GPL"], Answer.UNKNOWN),
        (License(text="UNKNOWN"), ["GPL"], Answer.UNKNOWN),
        (License(expression="not a licence !!"), ["GPL"], Answer.UNKNOWN),
        (License(), ["GPL"], Answer.UNKNOWN),
    ],
)  # fmt: skip
def test_pypi_licence_against_words(licence: License, words: list[str], expected: Answer) -> None:
    assert answer(words, licence, "pypi") is expected


def test_every_licence_classifier_is_known_or_says_nothing() -> None:
    silent = {"License :: OSI Approved", "License :: DFSG approved"}
    for classifier in lines("license_classifiers.txt"):
        found = identifiers_of([classifier])
        assert bool(found) != (classifier in silent)
        if found:
            tree = read("pypi", License(classifiers=(classifier,)))
            assert isinstance(tree, Named), classifier
            assert tree.is_known, classifier


def test_trees_have_the_shape_of_the_expression() -> None:
    tree = read("pypi", License(expression="MIT AND (Apache-2.0 OR Zlib)"))
    assert isinstance(tree, AllOf)
    assert any(isinstance(part, AnyOf) for part in tree.parts)


@pytest.mark.parametrize(
    "word", [*FAMILIES, "gpl3", "Public-Domain", "public domain", "MPL", "Apache-2.0", "mit", "GPLv3"]
)
def test_word_of_a_block_list_is_understood(word: str) -> None:
    assert parse_word(word).text == word


@pytest.mark.parametrize("word", ["GLP3", "Apache-9", "MIT OR BSD", "", "GPL*", "perl_5"])
def test_word_that_means_no_licence_is_refused(word: str) -> None:
    with pytest.raises(BadLicenseWord):
        parse_word(word)


def test_unversioned_gpl_is_of_every_gpl() -> None:
    assert mentions_of("GNU General Public License").families == {"GPL", "GPL2", "GPL3"}
    assert mentions_of("GPL + file LICENSE").families == {"GPL", "GPL2", "GPL3"}
    assert mentions_of("GPL v2").families == {"GPL", "GPL2"}


def test_unknown_licence_is_a_question_for_the_policy() -> None:
    odd = conda("odd", license="see COPYING")
    assert verdict({"block_licenses": ["GPL3"]}, odd).outcome is Outcome.WARN
    for leniency in ("allow", "warn", "hold", "block"):
        found = verdict({"block_licenses": ["GPL3"], "unknown_license": leniency}, odd)
        assert found.outcome.value == leniency
        assert verdict({"unknown_license": leniency}, odd).outcome.value == leniency
    assert verdict({"unknown_license": "hold"}, odd).word == "held"
    assert verdict({"unknown_license": "block"}, conda("fine", license="ISC")).outcome is Outcome.ALLOW


def test_licence_that_nobody_has_looked_up_yet_is_held_where_it_matters() -> None:
    waiting = pypi("foo-1.0-py3-none-any.whl", license=None)
    held = verdict({"block_licenses": ["GPL3"]}, waiting, "pypi")
    assert (held.outcome, held.rule, held.word) == (Outcome.HOLD, "unknown_license", "held")
    assert verdict({"unknown_license": "hold"}, waiting, "pypi").outcome is Outcome.HOLD
    assert verdict({"unknown_license": "warn"}, waiting, "pypi").outcome is Outcome.ALLOW
    assert verdict({"block": ["bar"]}, waiting, "pypi").outcome is Outcome.ALLOW
    assert verdict({"block_licenses": ["GPL3"], "allow": ["foo"]}, waiting, "pypi").outcome is Outcome.ALLOW
    strict = {"block_licenses": ["GPL3"], "allow": ["foo"], "unknown_license": "block"}
    assert verdict(strict, waiting, "pypi").outcome is Outcome.HOLD


def test_reason_names_the_licence_and_the_word_bounded() -> None:
    found = verdict({"block_licenses": ["GPL3"]}, conda("foo", license="GPL-3.0-only"))
    assert '"GPL-3.0-only"' in found.reason
    assert '"GPL3"' in found.reason
    long = verdict({"block_licenses": ["GPL3"]}, conda("foo", license="\x1b[31mGPL 3\n" + "x" * 5000))
    assert len(long.reason) < 250
    assert long.reason.isprintable()


def test_policy_without_licence_rules_does_not_ask_for_licences() -> None:
    assert not policy(block=["tk"]).asks_licenses
    assert policy(block_licenses=["MIT"]).asks_licenses
    assert policy(unknown_license="warn").asks_licenses


def test_licence_is_kept_bounded_and_reads_the_same() -> None:
    whole = License("GNU GPL\n" * 9000, None, "MIT", ("Topic :: Games", "License :: Public Domain"))
    kept = whole.bounded()
    assert len(kept.text or "") == 600
    assert kept.classifiers == ("License :: Public Domain",)
    for kind in ("conda", "pypi"):
        for text in ("MIT", "x" * 5000, "GPL " * 5000, "see COPYING"):
            given = License(text)
            assert answer(["GPL3"], given.bounded(), "pypi" if kind == "pypi" else "conda") is answer(
                ["GPL3"], given, "pypi" if kind == "pypi" else "conda"
            )


@pytest.mark.parametrize("kind", ["conda", "pypi"])
def test_licence_that_is_too_long_to_be_read_may_be_any_of_the_list(kind: Kind) -> None:
    long = "MIT OR " * 100 + "MIT"
    said = License(long, "MIT") if kind == "conda" else License(expression=long)
    facts = conda("foo", license=long) if kind == "conda" else pypi("foo-1.0.tar.gz", license=said)
    for given in (facts, msgspec.structs.replace(facts, license=said.bounded())):
        found = verdict({"block_licenses": ["GPL3"]}, given, kind)
        assert (found.outcome, found.rule) == (Outcome.BLOCK, "block_licenses")
        assert "too long to be read" in found.reason
        assert verdict({"unknown_license": "hold"}, given, kind).outcome is Outcome.HOLD
        assert (
            verdict({"block_licenses": ["GPL3"], "allow": ["foo"]}, given, kind).outcome is not Outcome.BLOCK
        )
    assert read(kind, said.bounded()) == read(kind, said)
