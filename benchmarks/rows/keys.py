"""What a key costs: a file of a closed feed, asked for with a key, to the same file of an open one."""

import json
from urllib.parse import urljoin

from benchmarks.load import alternately
from benchmarks.servers import Bench, get
from benchmarks.site import JSON
from benchmarks.table import Row


def closed_file(bench: Bench) -> list[Row]:
    """A cached 10 KB file at 32 connections, with a key and without."""
    admin = (bench.folder / "ours" / "data" / "state" / "admin.key").read_text().strip()
    body = json.dumps({"name": "bench", "grants": [{"feed": "closed", "rights": ["read"]}]}).encode()
    fields = {"Authorization": f"Bearer {admin}", "Content-Type": "application/json"}
    _, made = get(f"{bench.ours.url}/api/v1/keys", fields, method="POST", body=body, status=201)
    key = {"Authorization": f"Bearer {json.loads(made)['value']}"}
    opened = bench.our_files("small")[0]
    page = f"{bench.ours.url}/pypi/closed/simple/small/"
    _, listed = get(page, {"Accept": JSON} | key)
    closed = urljoin(page, json.loads(listed)["files"][0]["url"])
    scale = bench.scale
    get(closed, key)
    mine, theirs = alternately(
        closed, opened, rounds=scale.rounds, connections=32, seconds=scale.load_s, headers=key
    )
    return [
        Row(
            name="cached 10 KB file of a closed feed, with a key",
            ours=f"{mine.requests_per_s:.0f}/s",
            peer=f"{theirs.requests_per_s:.0f}/s open",
            value=mine.requests_per_s / theirs.requests_per_s,
            floor=0.9,
            aim=0.95,
        )
    ]
