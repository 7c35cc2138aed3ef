"""`python -m benchmarks.channel FOLDER --records 550000 [--day 1]`: write the channel's files into a folder.

Written are `linux-64/repodata.json` and `.json.zst` (one frame, level 3) and an empty `noarch/`.
"""

import argparse
from pathlib import Path

import msgspec
import zstandard

from benchmarks.channel.generate import SUBDIR, entries, removed


def repodata(records: int, day: int = 0) -> bytes:
    """Return the channel's repodata.json: compact, keys sorted, as conda-index writes it."""
    sections: dict[str, list[tuple[str, bytes]]] = {"packages": [], "packages.conda": []}
    encoder = msgspec.json.Encoder()
    for entry in entries(records, day):
        sections[entry.section].append((entry.file, encoder.encode(entry.record)))
    parts = []
    for section, files in sections.items():
        files.sort()
        body = b",".join(b'"%b":%b' % (file.encode(), raw) for file, raw in files)
        files.clear()
        parts.append(b'"%b":{%b}' % (section.encode(), body))
    head = b'{"info":{"subdir":"%b"},' % SUBDIR.encode()
    tail = b',"removed":%b,"repodata_version":1}' % encoder.encode(removed(records, day))
    return head + b",".join(parts) + tail


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.channel")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--records", type=int, default=50_000)
    parser.add_argument("--day", type=int, default=0, choices=(0, 1))
    wanted = parser.parse_args()
    for subdir in (SUBDIR, "noarch"):
        (wanted.folder / subdir).mkdir(parents=True, exist_ok=True)
    body = repodata(wanted.records, wanted.day)
    (wanted.folder / SUBDIR / "repodata.json").write_bytes(body)
    packed = zstandard.ZstdCompressor(level=3, threads=2).compress(body)
    (wanted.folder / SUBDIR / "repodata.json.zst").write_bytes(packed)
    empty = (
        b'{"info":{"subdir":"noarch"},"packages":{},"packages.conda":{},"removed":[],"repodata_version":1}'
    )
    (wanted.folder / "noarch" / "repodata.json").write_bytes(empty)
    print(f"{wanted.records} records, {len(body)} bytes of JSON, {len(packed)} bytes of zstd")


if __name__ == "__main__":
    main()
