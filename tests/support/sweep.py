"""The canary sweep (I5, E05): every test that runs the whole server also looks for secrets in all that it leaves.

Secrets are planted where a server may have them (see `planted` and `gateway.upstream`): credentials of origins, an
outbound proxy with a user in the environment, a key in the client's hand. They are looked for, in every spelling, in
each answer, in the log in both of its forms, in the access log, and in every file of the data folder, the database
among them. What only its owner may read and is a secret by design (`state/*.key`) is left out.
"""

import logging
from collections.abc import Iterator, Mapping
from pathlib import Path

from proxy.config.settings import Auth
from proxy.model.redact import Secret
from proxy.web.log import JsonLines, TextLines
from tests.faults.secrets import CANARIES, found_in

#: What an upstream of a test gets, unless the test gives it other credentials or none.
READER = Auth("basic", "reader", Secret(CANARIES["basic"]))
#: Blobs are bytes of an origin; larger ones than this are not searched.
_LARGEST = 2 * 1024 * 1024


def planted() -> Mapping[str, str]:
    """Return an environment with an outbound proxy that nothing goes through, and its password."""
    url = f"http://canary:{CANARIES['environment']}@proxy.invalid:3128"
    return {"HTTP_PROXY": url, "HTTPS_PROXY": url, "NO_PROXY": "*"}


class Sweep(logging.Handler):
    """What one server said and left."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self._forms = (JsonLines(), TextLines())
        self._found: list[str] = []

    def begin(self) -> None:
        logging.getLogger().addHandler(self)

    def end(self) -> None:
        logging.getLogger().removeHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        for form in self._forms:
            self.look("the log", form.format(record).encode())

    def look(self, where: str, data: bytes) -> None:
        """Search something."""
        self._found += [f"I5: the {kind} secret is in {where}" for kind in found_in(data)]

    def complaints(self, folder: Path) -> list[str]:
        """Return what was found, the data folder searched too. Blocks."""
        for path in _files(folder):
            self.look(str(path), path.read_bytes())
        return list(dict.fromkeys(self._found))


def _files(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")) if folder.is_dir() else ():
        is_own_secret = path.parent.name == "state" and path.suffix == ".key"
        if path.is_file() and not path.is_symlink() and not is_own_secret and path.stat().st_size <= _LARGEST:
            yield path
