"""The rooms and their doors (design, section 3): imports point down only, and third parties have one home each."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "proxy"

#: From the top down; a room may import rooms of lower levels, and itself.
LEVELS = (
    {"__main__"},
    {"cli"},
    {"process"},
    {"app"},
    {"management"},
    {"curating"},
    {"site"},
    {"site_conda"},
    {"base"},
    {"web"},
    {"feeds"},
    {"artifacts"},
    {"upstream", "state", "child", "scarcity", "imports"},
    {"config"},
    {"pypi", "conda", "policy"},
    {"model"},
)
LEVEL_OF = {room: level for level, rooms in enumerate(LEVELS) for room in rooms}

#: module prefix -> where it may be imported.
HOMES = {
    "diskcache": {"artifacts/disk.py", "artifacts/notes.py"},
    "sqlalchemy": {"state/"},
    "alembic": {"state/"},
    "selectolax": {"pypi/"},
    "resolvelib": {"feeds/pypi/resolve.py"},
    "typer": {"cli/"},
    "configupdater": {"cli/client_files.py"},
    "ruamel": {"cli/client_files.py"},
    "tomlkit": {"cli/client_files.py"},
    "rich": {"cli/"},
    "prometheus_client": {"web/"},
}


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module


def room_of(parts: tuple[str, ...]) -> str:
    return parts[0].removesuffix(".py")


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_down(path: Path) -> None:
    room = room_of(path.relative_to(PACKAGE).parts)
    if room == "__init__":
        return
    for name in imported(path):
        parts = name.split(".")
        if parts[0] != "proxy" or len(parts) == 1:
            continue
        other = room_of(tuple(parts[1:]))
        allowed = other == room or LEVEL_OF[other] > LEVEL_OF[room]
        assert allowed, f"{path.name} of {room}/ imports {name}, which is not below it"


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_third_parties_have_one_home_each(path: Path) -> None:
    place = path.relative_to(PACKAGE).as_posix()
    for name in imported(path):
        homes = HOMES.get(name.split(".")[0])
        assert homes is None or any(place.startswith(home) for home in homes), f"{place} imports {name}"


def test_only_the_outbound_door_opens_client_sessions() -> None:
    users = [path for path in modules() if "ClientSession" in path.read_text("utf-8")]
    assert {path.relative_to(PACKAGE).parts[0] for path in users} <= {"upstream"}


def test_pure_rooms_do_no_input_or_output() -> None:
    banned = {"asyncio", "socket", "aiohttp", "aiofiles", "os", "pathlib", "time", "sqlalchemy"}
    for path in modules():
        if path.relative_to(PACKAGE).parts[0] in {"policy", "pypi", "conda"}:
            assert not banned & {name.split(".")[0] for name in imported(path)}, path
