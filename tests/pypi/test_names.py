import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.pypi.names import (
    FileKind,
    belongs,
    is_safe_filename,
    is_valid,
    kind_of,
    normalize,
    projects_of,
    version_of,
)


@pytest.mark.parametrize(
    ("spelled", "name"),
    [
        ("Foo", "foo"),
        ("foo.bar", "foo-bar"),
        ("Foo_-._Bar", "foo-bar"),
        ("0", "0"),
        ("zope.interface", "zope-interface"),
    ],
)
def test_names_are_normalized_as_pep_503_says(spelled: str, name: str) -> None:
    assert normalize(spelled) == name
    assert normalize(name) == name


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "-foo",
            "foo-",
            ".",
            "..",
            "foo/bar",
            "foo bar",
            "foo\n",
            "\nfoo",
            "foo\0",
            "foo%2ebar",
            "foo;x",
        ),
        # The Kelvin sign lower-cases to k, the long s upper-cases to S; full width and zero width look the same.
        *("\u212aelvin", "foo\u017f", "ｆｏｏ", "f\u200boo", "foo\\bar", "a" * 256),
    ],
)
def test_what_is_no_name_is_refused_before_it_is_lower_cased(text: str) -> None:
    assert not is_valid(text)
    with pytest.raises(ValueError, match="project name"):
        normalize(text)


@settings(deadline=None)
@given(st.text(alphabet="aB0-_.", min_size=1, max_size=12))
def test_normalizing_twice_changes_nothing(text: str) -> None:
    if is_valid(text):
        assert normalize(normalize(text)) == normalize(text)


@pytest.mark.parametrize(
    ("filename", "kind"),
    [
        ("foo-1.0-py3-none-any.whl", FileKind.WHEEL),
        ("foo-1.0-1build2-py3-none-any.whl", FileKind.WHEEL),
        ("foo-1.0-cp313-cp313-linux_x86_64-x8664v3.whl", FileKind.VARIANT_WHEEL),
        ("foo-1.0-1-cp313-cp313-linux_x86_64-x8664v3.whl", FileKind.VARIANT_WHEEL),
        ("foo-1.0-variants.json", FileKind.VARIANTS),
        ("foo-1.0.tar.gz", FileKind.SDIST),
        ("foo-1.0.zip", FileKind.SDIST),
        ("foo-1.0.ZIP", FileKind.SDIST),
        ("my-win32-tools-1.0.zip", FileKind.SDIST),
        ("foo-1.0.tar.bz2", FileKind.OTHER),
        ("foo-1.0.linux-x86_64.tar.gz", FileKind.OTHER),
        ("foo-1.0.win32-py2.7.exe", FileKind.OTHER),
        ("foo-1.0-py2.7.egg", FileKind.OTHER),
        ("foo-1.0.whl", None),
        ("foo.whl", None),
        ("foo-1-2-3-4-5-6-7.whl", None),
        ("foo-1.0.tar.gz.asc", None),
        ("foo-1.0-py3-none-any.whl.metadata", None),
        ("index.html", None),
        ("", None),
    ],
)
def test_the_kind_is_read_off_the_file_name(filename: str, kind: FileKind | None) -> None:
    assert kind_of(filename) is kind


@pytest.mark.parametrize(
    ("filename", "projects"),
    [
        ("Foo_Bar-1.0-py3-none-any.whl", ("foo-bar",)),
        ("foo-1.0.tar.gz", ("foo",)),
        ("foo-bar-1.0.tar.gz", ("foo-bar",)),
        ("foo-bar-2x.tar.gz", ("foo-bar",)),
        ("foo-bar-1.0-1.tar.gz", ("foo-bar", "foo-bar-1-0")),
        ("foo-2-1.tar.gz", ("foo-2", "foo")),
        ("foo-1.0-variants.json", ("foo",)),
        ("foo-1.0-1.noarch.rpm", ("foo",)),
        ("foo_1.0_all.deb", ("foo",)),
        ("../foo-1.0.tar.gz", ()),
        ("foo.tar.gz", ()),
        ("readme.txt", ()),
    ],
)
def test_a_file_name_tells_its_possible_projects_likeliest_first(
    filename: str, projects: tuple[str, ...]
) -> None:
    assert projects_of(filename) == projects


@pytest.mark.parametrize(
    ("filename", "project", "version"),
    [
        ("foo-1.0-py3-none-any.whl", "foo", "1.0"),
        ("foo-1.0+cu118-py3-none-any.whl", "foo", "1.0+cu118"),
        ("foo-1!2.0-py3-none-any.whl", "foo", "1!2.0"),
        ("foo-1.0_1-py3-none-any.whl", "foo", "1.0-1"),
        ("foo-1.0-cp313-cp313-linux_x86_64-x8664v3.whl", "foo", "1.0"),
        ("foo-1.0-py3-none-any.whl", "bar", None),
        ("foo-bar-1.0-1.tar.gz", "foo-bar", "1.0-1"),
        ("foo-bar-1.0-1.tar.gz", "foo-bar-1-0", "1"),
        ("foo-bar-1.0.tar.gz", "foo", None),
        ("pytz-2004d.tar.gz", "pytz", None),
        ("numpy-1.0.1.dev3460.win32-py2.4.exe", "numpy", "1.0.1.dev3460"),
        ("numpy-1.5.1.win32-py2.5-nosse.exe", "numpy", "1.5.1"),
        ("foo-1.0.linux-x86_64.tar.gz", "foo", "1.0"),
        ("foo-1.0.macosx-10.9-x86_64.tar.gz", "foo", "1.0"),
        ("foo-1.0-py2.7.egg", "foo", "1.0"),
        ("foo-1.0-1.noarch.rpm", "foo", "1.0"),
        ("foo_1.0_all.deb", "foo", "1.0"),
        ("foo-1.0-variants.json", "foo", "1.0"),
        ("foo-nonsense-py3-none-any.whl", "foo", None),
    ],
)
def test_the_version_is_spelled_as_the_file_name_spells_it(
    filename: str, project: str, version: str | None
) -> None:
    assert version_of(filename, project) == version


@pytest.mark.parametrize(
    ("filename", "project", "own"),
    [
        ("foo-1.0.tar.gz", "foo", True),
        ("foo-bar-1.0.tar.gz", "foo", False),
        ("foo-bar-1.0.tar.gz", "foo-bar", True),
        ("foo-2bar-1.0.tar.gz", "foo", False),
        ("foo-bar-1.0-1.tar.gz", "foo-bar", True),
        ("pytz-2004d.tar.gz", "pytz", True),
        ("foo-bar-1.0custom.tar.gz", "foo", False),
        ("foo_bar-1.0-py3-none-any.whl", "foo-bar", True),
        ("foo_bar-1.0-py3-none-any.whl", "foo", False),
        ("notes.txt", "notes", False),
    ],
)
def test_a_file_belongs_to_the_project_whose_version_it_carries(
    filename: str, project: str, own: bool
) -> None:
    assert belongs(filename, project) is own


@settings(deadline=None)
@given(
    st.text(max_size=40),
    st.sampled_from([".whl", ".tar.gz", ".zip", ".exe", ".egg", ".deb", ".rpm", "-variants.json", ""]),
)
def test_no_file_name_makes_the_readers_raise(stem: str, suffix: str) -> None:
    filename = stem + suffix
    for project in projects_of(filename):
        assert normalize(project) == project
        version_of(filename, project)
    kind_of(filename)
    assert belongs(filename, "foo") in (True, False)


@pytest.mark.parametrize(
    "filename", ["a/b", "a\\b", "a b", "a\0b", "é.whl", "a%2fb", "a?b", "a#b", ".hidden", "a" * 256, ""]
)
def test_file_names_that_cannot_be_served_are_refused(filename: str) -> None:
    assert not is_safe_filename(filename)
