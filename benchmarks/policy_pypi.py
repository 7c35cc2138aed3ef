"""What a large PyPI page costs under a policy: judged once, and then for each decision of the gate."""

import time

from proxy.feeds.pypi.facts import key_of
from proxy.feeds.pypi.shard import FORMAT, Shard
from proxy.feeds.pypi.view import Place, Ruling, view_of
from proxy.feeds.view import gate
from proxy.model.digest import Sha256
from proxy.policy.facts import License
from proxy.policy.judge import Judge
from proxy.policy.settings import Policy
from proxy.pypi.distribution import Distribution
from proxy.pypi.names import FileKind
from proxy.pypi.project import Project

FILES = 4_400
_TAGS = [f"cp3{n}-cp3{n}-{each}" for n in range(8, 14) for each in ("win_amd64", "manylinux2014_x86_64")]
_DECISIONS = 20_000


def page(policy: Policy, tick_ms: int) -> tuple[float, float]:
    """Return the milliseconds of processor that judging costs, and the microseconds of a decision after that."""
    names = [f"django-{n // 20 + 4}.{n % 20}-{tag}.whl" for n in range(FILES // len(_TAGS)) for tag in _TAGS]
    files = tuple(_file(name, at) for at, name in enumerate(names))
    shard = Shard(FORMAT, Project("django", files), {}, dict.fromkeys(names, (1, True)))
    licenses = {key_of(file): License(expression="MIT") for file in files}
    ruling = Ruling(Judge(policy, "pypi"), tick_ms, policy.fingerprint, licenses, len(licenses))
    place = Place("feed", "django", "up", Sha256("0" * 64))
    started = time.process_time()
    view = view_of(place, shard, ruling)
    judged_ms = (time.process_time() - started) * 1e3
    path = next(iter(view.kept))
    started = time.process_time()
    for _ in range(_DECISIONS):
        gate(view, path)
    return judged_ms, (time.process_time() - started) / _DECISIONS * 1e6


def _file(name: str, at: int) -> Distribution:
    return Distribution(
        name, f"https://files.example/{name}", f"packages/{at}/{name}", {"sha256": f"{at:064x}"}, FileKind.WHEEL,
        name.split("-")[1], 1000, "2024-01-01T00:00:00Z", ">=3.8",
    )  # fmt: skip
