"""The server under test and its peer, each on the measured core, on the same origin.

The peer is nginx with `proxy_cache`: one worker, sendfile, its access log on (as ours is), gzip at the
level that ours uses, and its cache lock on.
"""

import contextlib
import http.client
import json
import os
import pwd
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urljoin

from benchmarks.machine import LOAD_CORE, PYTHON, SERVER_CORE, free_port, pinned, running, wait_for_port
from benchmarks.site import JSON, SCALES, Scale

_NGINX = """\
daemon off;
{user}
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 2048; }}
http {{
  access_log {folder}/access.log combined;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  sendfile on; tcp_nopush on; keepalive_requests 10000000;
{servers}
}}
"""

_CACHING = """\
  gzip on; gzip_comp_level 6; gzip_proxied any; gzip_types {json};
  proxy_cache_path {folder}/cache levels=1:2 keys_zone=bench:16m max_size=4g inactive=2h use_temp_path=off;
  server {{
    listen 127.0.0.1:{port};
    location / {{
      proxy_pass http://127.0.0.1:{origin};
      proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_cache bench; proxy_cache_valid 200 2h; proxy_cache_lock on;
    }}
  }}
"""

_OURS = """\
[server]
port = {port}
data_dir = "{folder}/data"

[feeds.bench]
kind = "pypi"
upstreams = [{{ url = "http://127.0.0.1:{origin}/simple/", json_api = "", allow_private = true, ttl = "2h" }}]

[feeds.closed]
kind = "pypi"
anonymous = false
upstreams = [{{ url = "http://127.0.0.1:{origin}/simple/", json_api = "", allow_private = true, ttl = "2h" }}]
"""


@dataclass(frozen=True, slots=True)
class Server:
    """A running server: where it listens, and its process."""

    port: int
    process: subprocess.Popen[bytes]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@dataclass(frozen=True, slots=True)
class Bench:
    """Everything that a row needs."""

    ours: Server
    peer: Server
    origin: int
    scale: Scale
    folder: Path

    def our_page(self, project: str) -> str:
        return f"{self.ours.url}/pypi/bench/simple/{project}/"

    def our_files(self, project: str) -> list[str]:
        """Return the URLs of a project's files, as our page links them."""
        page = self.our_page(project)
        _, body = get(page, {"Accept": JSON})
        return [urljoin(page, entry["url"]) for entry in json.loads(body)["files"]]

    def peer_files(self, project: str) -> list[str]:
        page = f"{self.peer.url}/simple/{project}/"
        _, body = get(page, {"Accept": JSON})
        return [urljoin(page, entry["url"]) for entry in json.loads(body)["files"]]

    def same_page(self, project: str) -> str:
        """Give the peer the very bytes of our page; return its URL for them."""
        _, body = get(self.our_page(project), {"Accept": JSON})
        get(f"http://127.0.0.1:{self.origin}/control/same/{project}", {}, method="POST", body=body)
        return f"{self.peer.url}/same/{project}"

    def upstream_gets(self, url: str) -> int:
        """Return how often the origin was asked for a file, by the URL under which it lies at the peer."""
        path = url.removeprefix(self.peer.url)
        _, body = get(f"http://127.0.0.1:{self.origin}/control/hits{path}", {})
        count: int = json.loads(body)["gets"]
        return count


def get(
    url: str, headers: dict[str, str], *, method: str = "GET", body: bytes = b"", status: int = 200
) -> tuple[int, bytes]:
    """Ask once and return status and body; raise RuntimeError unless it is the status that is wanted."""
    host, _, path = url.removeprefix("http://").partition("/")
    connection = http.client.HTTPConnection(host, timeout=120)
    try:
        connection.request(method, f"/{path}", body=body or None, headers=headers)
        answer = connection.getresponse()
        data = answer.read()
    finally:
        connection.close()
    if answer.status != status:
        raise RuntimeError(f"{method} {url} answered {answer.status}: {data[:300]!r}")
    return answer.status, data


@contextlib.contextmanager
def bench(folder: Path, scale: str) -> Iterator[Bench]:
    """Run the origin, our server and the peer for the length of the block."""
    port = free_port()
    origin = pinned(LOAD_CORE, [PYTHON, "-m", "benchmarks.site", str(port), scale])
    log = folder / "origin.log"
    with running(origin, log) as process:
        wait_for_port(port, process, log, timeout_s=120)
        with ours(folder / "ours", port) as mine, nginx(folder / "nginx", port) as peer:
            yield Bench(mine, peer, port, SCALES[scale], folder)


@contextlib.contextmanager
def ours(folder: Path, origin: int) -> Iterator[Server]:
    """Run our server, as `python -m proxy serve`, on the measured core."""
    folder.mkdir()
    port = free_port()
    config = write_config(folder, port, origin)
    log = folder / "log"
    with running(serve_command(config), log) as process:
        wait_for_port(port, process, log)
        yield Server(port, process)


def write_config(folder: Path, port: int, origin: int) -> Path:
    config = folder / "config.toml"
    config.write_text(_OURS.format(folder=folder, port=port, origin=origin))
    return config


def serve_command(config: Path) -> list[str]:
    return pinned(SERVER_CORE, [PYTHON, "-m", "proxy", "serve", "--config", str(config)])


@contextlib.contextmanager
def nginx(folder: Path, origin: int) -> Iterator[Server]:
    """Run the peer on the measured core."""
    with nginx_of(folder, _CACHING, SERVER_CORE, origin=origin, json=JSON) as server:
        yield server


@contextlib.contextmanager
def nginx_of(folder: Path, servers: str, core: int, **facts: object) -> Iterator[Server]:
    """Run an nginx with these servers in its configuration, one worker, on a core."""
    program = shutil.which("nginx") or "/usr/sbin/nginx"
    folder.mkdir()
    port = free_port()
    user = f"user {pwd.getpwuid(0).pw_name};" if os.geteuid() == 0 else ""
    config = folder / "nginx.conf"
    described = servers.format(folder=folder, port=port, **facts)
    config.write_text(_NGINX.format(folder=folder, user=user, servers=described))
    log = folder / "log"
    with running(pinned(core, [program, "-p", str(folder), "-c", str(config)]), log) as process:
        wait_for_port(port, process, log)
        yield Server(port, process)
