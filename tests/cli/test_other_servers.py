"""A server of another kind at `--server`: one line that says so, and nothing passes for done."""

import socket
import ssl
import threading
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import trustme

from tests.cli.calling import Place

COMMANDS = (
    ("feed", "list"), ("feed", "create", "a", "--set", "kind=pypi"), ("feed", "packages", "a"),
    ("feed", "packages", "a", "zlib"), ("feed", "edit", "a", "--set", "offline=true"),
    ("policy", "list"), ("policy", "show", "a"), ("route", "list"), ("key", "list"), ("key", "create", "a"),
    ("key", "delete", "a"), ("audit",), ("approvals", "a"), ("promote", "a", "zlib", "--from", "b"),
    ("revoke", "a", "zlib", "--reason", "x"), ("explain", "a", "zlib"), ("snippet", "a"), ("doctor",), ("doctor", "a"),
    ("reload",),
)  # fmt: skip
#: This answer goes to every command, and the others to a few.
THOROUGH = "hollow"
#: path prefix -> status, fields, body: each prefix is another server.
ANSWERS: Mapping[str, tuple[int, Mapping[str, str], bytes]] = {
    "nothing": (200, {}, b"{}"),
    "proxied": (200, {"X-Request-ID": "1"}, b"{}"),
    "html": (200, {}, b"<html>hello"),
    "empty": (200, {}, b""),
    "deep": (200, {"X-Request-ID": "1"}, b"[" * 100_000),
    "list": (200, {"X-Request-ID": "1"}, b"[]"),
    "none": (200, {"X-Request-ID": "1"}, b'{"items": null, "next": null}'),
    "words": (200, {"X-Request-ID": "1"}, b'{"items": ["a"], "next": null}'),
    "hollow": (200, {"X-Request-ID": "1"}, b'{"items": [{}], "next": null}'),
    "circle": (200, {"X-Request-ID": "1"}, b'{"items": [], "next": "x"}'),
    "away": (302, {"Location": "https://u:hunter2@elsewhere.example/x"}, b""),
    "refusing": (403, {}, b"<h1>no</h1>"),
    "odd": (500, {}, b'{"title": 5}'),
}


class Other(BaseHTTPRequestHandler):
    """Answers the same, whatever is asked."""

    def _answer(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"] or 0))
        status, fields, body = ANSWERS[self.path.split("/")[1]]
        self.send_response(status)
        for name, value in {**fields, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def __getattr__(self, name: str) -> object:
        if name.startswith("do_"):
            return self._answer
        raise AttributeError(name)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def other() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Other) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("answer", ANSWERS)
def test_a_server_of_another_kind_is_told_in_one_line(place: Place, other: str, answer: str) -> None:
    for words in COMMANDS if answer == THOROUGH else COMMANDS[:3]:
        done = place.run(*words, "--server", f"{other}/{answer}", "--key", "abcdefgh")
        assert done.status == 1, (words, done)
        assert done.out == "", words
        line = done.error.splitlines()[-1]
        assert "--server" in line or "does not understand" in line, (words, done)
        assert "hunter2" not in line
        assert "Traceback" not in done.error


@pytest.mark.parametrize(
    ("server", "words"),
    [
        ("feeds.example:8080", "must be a URL such as https://"),
        ("ftp://h", "must be a URL such as"),
        ("http://", "must be a URL such as"),
        ("http://h/a b", "must be a URL such as"),
        ("http://127.0.0.1:1", "Connection refused; check that it runs"),
    ],
)
def test_an_address_that_is_none_is_told_with_what_to_do(place: Place, server: str, words: str) -> None:
    done = place.run("feed", "list", "--server", server)
    assert (done.status, words in done.error) == (1, True), done
    assert len(done.error.splitlines()) == 1


def test_a_key_that_can_be_none_is_not_repeated(place: Place, other: str) -> None:
    done = place.run("feed", "list", "--server", f"{other}/nothing", "--key", "hunter2\n")
    assert "the key has a character that no key has" in done.error
    assert "hunter2" not in done.error


def test_a_certificate_that_is_not_trusted_names_the_option(place: Place, tmp_path: Path) -> None:
    ca = trustme.CA()
    ca.cert_pem.write_to_path(tmp_path / "ca.pem")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    ca.issue_cert("elsewhere.example").configure_cert(context)
    with ThreadingHTTPServer(("127.0.0.1", 0), Other) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        server.handle_error = lambda request, client_address: None  # type: ignore[method-assign]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        url = f"https://127.0.0.1:{server.server_port}"
        unknown = place.run("feed", "list", "--server", url)
        another = place.run("feed", "list", "--server", url, "--ca", str(tmp_path / "ca.pem"))
        server.shutdown()
        thread.join()
    assert "is not trusted (unable to get local issuer certificate); name" in unknown.error
    assert "--ca PATH" in unknown.error and "_ssl.c" not in unknown.error
    assert "is for another name" in another.error


def test_what_speaks_no_tls_is_told(place: Place, other: str) -> None:
    done = place.run("feed", "list", "--server", other.replace("http:", "https:"))
    assert "no TLS with it" in done.error and "http:// or https://" in done.error


def test_a_broken_answer_is_told_in_one_line(place: Place) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def answer() -> None:
            for sent in (b"220 smtp ready\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{"):
                connection, _ = listening.accept()
                with connection:
                    connection.recv(65536)
                    connection.sendall(sent)

        thread = threading.Thread(target=answer)
        thread.start()
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        for _ in range(2):
            done = place.run("feed", "list", "--server", url)
            assert "is not HTTP as it should be" in done.error, done
        thread.join()
