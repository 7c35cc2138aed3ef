"""The child's part of looking at a channel's index for the doctor: read as an ingest reads it, and nothing kept."""

from pathlib import Path
from typing import Any

from proxy.conda.ingest import Ingest, ingest_repodata
from proxy.conda.reading import BadStream
from proxy.conda.snapshot import Top
from proxy.conda.split import BadRepodata
from proxy.feeds.conda.ingest_job import Order, cut


def run(order: dict[str, Any]) -> dict[str, Any]:
    """Return {"count", "what", "dropped", "reasons"} of the index file `source`, or {"bad": why} for what is none.

    `index` is where it stands in its channel, such as `noarch/repodata.json.zst`.
    """
    subdir, _, file = str(order["index"]).partition("/")
    source = Path(order["source"])
    asked = Order(
        folder="", subdir=subdir, upstream="", now_ms=0, source=str(source), coding=order["coding"],
        packing=file.removeprefix("repodata.json"), max_output=order["most_bytes"],
    )  # fmt: skip
    try:
        repodata = cut(source, asked)
    except (BadRepodata, BadStream) as bad:
        return {"bad": f"not an index of {subdir}: {bad}"}
    with source.with_suffix(".records").open("wb") as out:
        report = ingest_repodata(Ingest(out, Top(subdir)), repodata)
    return {
        "count": report.records, "what": "records", "dropped": report.dropped, "reasons": report.reasons[:1],
    }  # fmt: skip
