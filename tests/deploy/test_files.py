"""The files of deploy/ and the image, as far as they can be judged without a container engine."""

import json
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
import trustme
import yaml

from proxy.config.settings import Server
from tests.config.loading import loads

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"


def run(*words: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(words, cwd=folder, capture_output=True, text=True, timeout=60, check=False)


# -- nginx


def test_nginx_accepts_the_sample(tmp_path: Path) -> None:
    assert shutil.which("nginx"), "nginx is needed for this test (.ci/run installs it)"
    authority = trustme.CA()
    certificate = authority.issue_cert("packages.corp.example")
    certificate.private_key_and_cert_chain_pem.write_to_path(str(tmp_path / "both.pem"))
    sample = (DEPLOY / "nginx.conf").read_text()
    sample = re.sub(r"/etc/nginx/[a-z.]+\.(pem|key)", str(tmp_path / "both.pem"), sample)
    sample = sample.replace("/var/log/nginx/", f"{tmp_path}/")
    folders = "".join(
        f"{kind}_temp_path {tmp_path}/{kind};\n"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (tmp_path / "nginx.conf").write_text(
        f"pid {tmp_path}/pid;\nerror_log stderr;\nevents {{}}\n"
        f"http {{\naccess_log off;\n{folders}{sample.replace('listen 443', f'listen unix:{tmp_path}/s')}\n}}\n"
    )
    done = run("nginx", "-t", "-p", str(tmp_path), "-c", str(tmp_path / "nginx.conf"), folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "warn" not in done.stderr


def test_nginx_neither_buffers_nor_compresses_nor_touches_the_path() -> None:
    lines = {line.strip() for line in (DEPLOY / "nginx.conf").read_text().splitlines()}
    assert {
        "proxy_buffering off;",
        "proxy_request_buffering off;",
        "gzip off;",
        "proxy_pass http://feedgate;",
    } <= lines
    assert "proxy_set_header X-Forwarded-For $remote_addr;" in lines


def test_nginx_waits_longer_than_the_server_does() -> None:
    match = re.search(r"proxy_read_timeout ([0-9]+)s", (DEPLOY / "nginx.conf").read_text())
    assert match
    assert int(match[1]) > Server().write_timeout_s


def test_the_settings_in_the_nginx_sample_are_valid(tmp_path: Path) -> None:
    comment = re.findall(r"(?m)^#   (.*)$", (DEPLOY / "nginx.conf").read_text())
    server = loads(tmp_path, "\n".join(comment)).settings.server
    assert server.public_url
    assert server.trusted_proxies == ("127.0.0.1",)


# -- systemd


def unit() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for line in (DEPLOY / "feedgate.service").read_text().splitlines():
        name, equals, value = line.partition("=")
        if equals and not line.startswith("#"):
            found.setdefault(name, []).append(value)
    return found


def test_systemd_accepts_the_unit(tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed here")
    text = (DEPLOY / "feedgate.service").read_text().replace("/opt/feedgate/bin/feedgate", "/bin/true")
    (tmp_path / "feedgate.service").write_text(text)
    done = run("systemd-analyze", "verify", "--man=no", str(tmp_path / "feedgate.service"), folder=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")


def test_systemd_gives_the_server_time_to_stop() -> None:
    (stop,) = unit()["TimeoutStopSec"]
    assert float(stop.removesuffix("s")) > Server().stop_timeout_s


def test_systemd_writes_only_where_the_unit_allows() -> None:
    found = unit()
    (folder,) = found["StateDirectory"]
    assert f"FEEDGATE__SERVER__DATA_DIR=/var/lib/{folder}" in found["Environment"]
    assert found["ProtectSystem"] == ["strict"]
    assert (found["StateDirectoryMode"], found["UMask"]) == (["0700"], ["0077"])


# -- compose


def service() -> dict[str, object]:
    document = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    found: dict[str, object] = document["services"]["feedgate"]
    return found


def test_compose_gives_the_server_time_to_stop() -> None:
    assert service()["stop_grace_period"] == "30s"
    assert Server().stop_timeout_s < 30


def test_compose_runs_read_only_with_volumes_for_all_data() -> None:
    found = service()
    assert found["read_only"] is True
    volumes = found["volumes"]
    assert isinstance(volumes, list)
    targets = [volume.split(":")[1] for volume in volumes]
    assert targets == ["/data/cache", "/data/state", "/data/vault", "/etc/feedgate/config.toml"]
    document = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    assert set(document["volumes"]) == {"cache", "state", "vault"}


def test_what_compose_mounts_and_builds_is_there() -> None:
    assert (DEPLOY / str(service()["build"]) / "Dockerfile").is_file()
    assert (DEPLOY / "../config.toml").is_file()


# -- the image


def instructions() -> list[tuple[str, str]]:
    text = re.sub(r"\\\n", " ", re.sub(r"(?m)^\s*#.*\n", "", (ROOT / "Dockerfile").read_text()))
    return [(line.split(None, 1)[0], line.split(None, 1)[1]) for line in text.splitlines() if line.strip()]


def of(name: str) -> list[str]:
    return [rest for word, rest in instructions() if word == name]


def environment() -> dict[str, str]:
    return dict(pair.split("=", 1) for pair in shlex.split(of("ENV")[0]))


def test_the_image_has_two_slim_stages_named_plainly() -> None:
    assert of("FROM") == ["python:${PYTHON}-slim AS build", "python:${PYTHON}-slim"]


def test_the_image_runs_as_a_user_of_its_own() -> None:
    assert of("USER") == ["10001:10001"]
    order = [word for word, _ in instructions()]
    assert order.index("USER") > max(place for place, word in enumerate(order) if word in ("RUN", "COPY"))


def test_the_image_keeps_all_data_in_volumes_that_belong_to_its_user() -> None:
    volumes = json.loads(of("VOLUME")[0])
    assert volumes == ["/data/cache", "/data/state", "/data/vault"]
    made = of("RUN")[-1]
    assert "install -d -o 10001 -g 10001" in made
    assert "-m 0700" in made
    assert all(volume in made for volume in volumes)
    assert environment()["FEEDGATE__SERVER__DATA_DIR"] == "/data"


def test_the_images_settings_are_valid(tmp_path: Path) -> None:
    environ = {name: value for name, value in environment().items() if name.startswith("FEEDGATE__")}
    server = loads(tmp_path, (ROOT / "config.toml").read_text(), environ=environ).settings.server
    assert (server.host, server.port, server.data_dir) == ("0.0.0.0", 8080, Path("/data"))


def test_the_health_check_needs_no_other_program_and_no_outbound_proxy() -> None:
    (check,) = of("HEALTHCHECK")
    words = json.loads(check.partition("CMD ")[2])
    assert words[:2] == ["python", "-c"]
    assert "http.client" in words[2]
    compile(words[2], "<healthcheck>", "exec")


def test_the_image_copies_only_what_the_build_context_lets_through() -> None:
    allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    copied = {
        word.removeprefix("./")
        for rest in of("COPY")
        if not rest.startswith("--from")
        for word in rest.split()[:-1]
    }
    assert copied <= allowed
    assert copied == {"pyproject.toml", "README.md", "config.toml", "proxy"}


def test_no_file_here_holds_a_path_or_name_of_the_machine_it_was_written_on() -> None:
    for path in (*DEPLOY.iterdir(), ROOT / "Dockerfile", ROOT / ".dockerignore", ROOT / "config.toml"):
        assert not re.search(r"/(root|work|farm)/", path.read_text()), path
