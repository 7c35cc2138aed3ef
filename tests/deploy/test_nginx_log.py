"""The shipped nginx.conf in a real nginx: no log of it holds a key that stands in an address (S14)."""

import re
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import trustme

from tests.deploy.test_files import DEPLOY

KEY, OTHER = "secret-key-0123456789", "another-key-9876543210"
FEED = "conda/forge/noarch/repodata.json"
TARGETS = [
    f"/t/{KEY}/{FEED}",
    f"/conda/t/{KEY}/forge/noarch/repodata.json?limit=1",
    f"/packages/t/{KEY}/{FEED}",
    f"/t/{KEY}",
    f"/t/{KEY}/",
    f"/t/{KEY}?x=/t/{OTHER}/",
    f"/%74/{KEY}/{FEED}",
    f"/t%2F{KEY}/{FEED}",
    f"/t/%{ord(KEY[0]):02x}{KEY[1:]}/{FEED}",
    f"//t//{KEY}/{FEED}",
    f"/./t/x/../{KEY}/{FEED}",
    f"/t/{KEY}%0a/{FEED}%0a",
    f"/%0a/t/{KEY}/{FEED}",
    f"/t/{KEY}/conda/t/{OTHER}/forge/noarch/repodata.json",
    f"/t/{KEY}/t/{OTHER}/{FEED}",
    f"/t/{KEY}/%zz",
    f"/t/{KEY}/" + "x" * 9000,
    f"https://packages.corp.example/t/{KEY}/{FEED}",
]
REFERERS = [
    f"https://packages.corp.example/t/{KEY}/conda/forge/",
    f"https://packages.corp.example/%74/{KEY}/conda/forge/",
    f"https://user:{KEY}@packages.corp.example/conda/forge/",
    f"https://packages.corp.example?key={KEY}",
    f"/t/{KEY}/conda/forge/",
]


class Site:
    """An nginx with the sample, or with the sample altered."""

    def __init__(self, folder: Path, upstream: int, alter: Callable[[str], str] = lambda text: text) -> None:
        self.folder = folder
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        certificate = trustme.CA().issue_cert("packages.corp.example")
        certificate.private_key_and_cert_chain_pem.write_to_path(str(folder / "both.pem"))
        (folder / "log").mkdir()
        sample = re.sub(
            r"/etc/nginx/[a-z.]+\.(pem|key)", str(folder / "both.pem"), (DEPLOY / "nginx.conf").read_text()
        )
        for shipped, here in (
            ("/var/log/nginx/", f"{folder}/log/"),
            ("listen 443", f"listen 127.0.0.1:{self.port}"),
            ("server 127.0.0.1:8080", f"server 127.0.0.1:{upstream}"),
        ):
            assert sample.count(shipped) >= 1, shipped
            sample = sample.replace(shipped, here)
        folders = "".join(
            f"{kind}_temp_path {folder}/{kind};\n"
            for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        # The logs that most installations have around the sample.
        (folder / "nginx.conf").write_text(
            f"pid {folder}/pid;\nerror_log {folder}/log/error.log;\ndaemon off;\nmaster_process off;\nevents {{}}\n"
            f"http {{\naccess_log {folder}/log/access.log;\n{folders}{alter(sample)}\n}}\n"
        )

    @contextmanager
    def running(self) -> Iterator[None]:
        assert shutil.which("nginx"), "nginx is needed for this test (.ci/run installs it)"
        words = ["nginx", "-p", str(self.folder), "-c", str(self.folder / "nginx.conf")]
        with subprocess.Popen(words, stderr=subprocess.PIPE, text=True) as process:
            try:
                for _ in range(200):
                    try:
                        socket.create_connection(("127.0.0.1", self.port)).close()
                        break
                    except ConnectionRefusedError:
                        assert process.poll() is None, process.stderr and process.stderr.read()
                        time.sleep(0.05)
                yield
            finally:
                process.terminate()
                process.wait(30)

    def ask(self, target: str, *fields: str) -> int:
        """Send a request as it is; return the status."""
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        lines = (f"GET {target} HTTP/1.1", "Host: packages.corp.example", "Connection: close", *fields)
        with (
            socket.create_connection(("127.0.0.1", self.port), timeout=30) as plain,
            context.wrap_socket(plain) as line,
        ):
            line.sendall("\r\n".join((*lines, "", "")).encode())
            return int(line.recv(4096).split()[1])

    def logged(self) -> str:
        return "".join(path.read_text() for path in sorted((self.folder / "log").iterdir()))


def walk(site: Site) -> list[int]:
    """Send everything that may hold a key; return the statuses."""
    with site.running():
        statuses = [site.ask(target) for target in TARGETS]
        statuses += [site.ask("/healthz", f"Referer: {referer}") for referer in REFERERS]
        statuses += [site.ask(f"/t/{KEY}/{FEED}", "Content-Length: 99999999")]
        return statuses


@pytest.fixture
def behind() -> Iterator[int]:
    """A server that answers 200 to everything, and closes; give its port."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def answer() -> None:
            while True:
                try:
                    caller, _ = listening.accept()
                except OSError:
                    return
                with caller:
                    caller.recv(65536)
                    caller.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")

        threading.Thread(target=answer, daemon=True).start()
        yield listening.getsockname()[1]
        listening.shutdown(socket.SHUT_RDWR)


def refused_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
        return port


def test_no_log_holds_a_key_while_the_server_answers(tmp_path: Path, behind: int) -> None:
    site = Site(tmp_path, behind)
    assert {200, 400, 413} <= set(walk(site))
    logged = site.logged()
    assert KEY not in logged and OTHER not in logged and KEY[1:] not in logged
    lines = (tmp_path / "log/feedgate.access.log").read_text().splitlines()
    assert len(lines) >= len(TARGETS)
    assert f'"GET /t/***/{FEED} HTTP/1.1" 200' in lines[0]
    assert any('"https://packages.corp.example/"' in line for line in lines)


def test_no_log_holds_a_key_while_the_server_is_down(tmp_path: Path) -> None:
    site = Site(tmp_path, refused_port())
    assert 502 in walk(site)
    logged = site.logged()
    assert KEY not in logged and OTHER not in logged and KEY[1:] not in logged
    (first, *_) = (tmp_path / "log/feedgate.access.log").read_text().splitlines()
    assert re.search(r'" 502 .* upstream=127\.0\.0\.1:[0-9]+:502$', first)


@pytest.mark.parametrize("line", ["access_log", "error_log"])
def test_without_its_own_logs_the_sample_would_tell(tmp_path: Path, line: str) -> None:
    site = Site(tmp_path, refused_port(), lambda text: re.sub(rf"(?m)^    {line} .*$", "", text))
    walk(site)
    assert KEY in site.logged()
