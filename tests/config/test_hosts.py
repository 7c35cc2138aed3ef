"""What the settings say of a host is what the outbound door will say of it."""

from pathlib import Path

import pytest

from proxy.config.hosts import is_private, why_unusable
from proxy.upstream.errors import AddressRefused
from proxy.upstream.guard import check_target
from proxy.upstream.target import parse_target
from tests.config.loading import faults, loads, upstream

HOSTS = [
    "h", "a.example", "a.example.", "a_b.example", "A.EXAMPLE", "x" * 63, "93.184.216.34", "[2606:4700::1]", "-bad-",
    "a..b", "a..", ".a", "a.-b", "x" * 64, "a." * 127 + "a", "2130706433", "0x7f.1", "127.1", "0177.0.0.1", "1.2.3",
    "a-", "_", "a!b", "a~b", "localhost", "x.localhost", "127.0.0.1", "[::1]", "10.0.0.1", "[::ffff:10.0.0.1]",
    "192.0.2.1", "169.254.1.1", "[fe80::1]", "[2001:db8::1]", "192.168.1.1", "localhost.localdomain", "a$b",
    "[fe80::1%25eth0]",
]  # fmt: skip


def refusal(host: str, *, allow_private: bool) -> str | None:
    """Return why the door would not ask the host."""
    try:
        check_target(parse_target(f"https://{host}/"), allow_private=allow_private)
    except AddressRefused as error:
        return error.detail
    return None


@pytest.mark.parametrize("host", HOSTS)
def test_a_host_is_refused_where_the_door_would_refuse_it(host: str) -> None:
    bare = host.strip("[]")
    is_refused = refusal(host, allow_private=True) is not None
    if not is_refused:
        assert why_unusable(bare) is None
    assert (why_unusable(bare) is not None or is_private(bare)) == (
        refusal(host, allow_private=False) is not None
    )


@pytest.mark.parametrize("host", ["-bad-", "a..b", "x" * 64, "2130706433", "0x7f.1", "127.1", ".a"])
@pytest.mark.parametrize(
    "line", ['url = "https://{}/simple/"', 'url = "https://h/s/", files_base = "https://{}/f/"']
)
def test_check_config_refuses_a_host_that_cannot_be_asked(tmp_path: Path, host: str, line: str) -> None:
    found = faults(tmp_path, upstream(line.format(host)))
    assert any("host name" in message or "unusual form" in message for message in found.values()), found


@pytest.mark.parametrize("host", ["127.0.0.1:1", "localhost:1", "10.1.2.3", "[::1]:1"])
def test_a_private_address_that_no_request_can_reach_is_noted(tmp_path: Path, host: str) -> None:
    (note,) = loads(tmp_path, upstream(f'url = "https://{host}/simple/"')).notes
    assert note.startswith("feeds.pypi.upstreams[0]: ")
    assert "no request can pass" in note
    assert "allow_private = true" in note


def test_a_private_address_that_is_allowed_is_not_noted(tmp_path: Path) -> None:
    assert (
        loads(tmp_path, upstream('url = "https://127.0.0.1:1/simple/"', "allow_private = true")).notes == ()
    )
