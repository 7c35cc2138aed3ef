"""`/api/v1/policies`, and what a feed tells of its policy."""

import asyncio
from datetime import date
from pathlib import Path

from proxy.config.policies import parse_given
from proxy.config.settings import Feed
from proxy.policy.settings import Exemption, Policy
from tests.api.reading import items, problem
from tests.support.gateway import Gateway, feed, upstream
from tests.support.index import FakeIndex

CORP = Policy(
    "corp", block=("bzip2", "tk"), min_age_s=7 * 86400.0, max_size_bytes=2 * 1024**3, mode="audit",
    exemptions=(Exemption("openssl ==3.3.2", ("min_age",), date(2027, 1, 31), "CVE fix"),),
)  # fmt: skip
SPARE = Policy("spare", only=("numpy",))
ADMIN = "an-admins-own-key"


def feeds(index: FakeIndex) -> tuple[Feed, Feed]:
    return feed(upstream(index.url), policy="corp"), feed(upstream(index.url), name="plain")


async def test_policies_are_told_in_plain_words_with_the_feeds_that_use_them(
    tmp_path: Path, index: FakeIndex
) -> None:
    async with Gateway(tmp_path, *feeds(index), policies=(CORP, SPARE), admin_key=ADMIN) as gateway:
        key = f"Bearer {ADMIN}"
        told = (await gateway.get("/api/v1/policies", Authorization=key)).json()
        assert [(item["name"], item["mode"], item["feeds"]) for item in told["items"]] == [
            ("corp", "audit", ["pypi"]), ("spare", "enforce", []),
        ]  # fmt: skip
        assert "Packages that are blocked: bzip2 and tk." in told["items"][0]["words"]
        one = (await gateway.get("/api/v1/policies/corp", Authorization=key)).json()
        assert one["settings"]["min_age"] == "7d"
        assert one["settings"]["exemptions"][0]["expires"] == "2027-01-31"
        again = await asyncio.to_thread(parse_given, "corp", one["settings"])
        assert again.policy == CORP


async def test_policy_that_no_feed_uses_is_an_admins(tmp_path: Path, index: FakeIndex) -> None:
    async with Gateway(tmp_path, *feeds(index), policies=(CORP, SPARE)) as gateway:
        seen = await items(gateway, "/api/v1/policies", limit=1)
        assert [[each["name"] for each in page] for page in seen] == [["corp"]]
        await problem(gateway, "/api/v1/policies/spare", 404, "unknown", "no policy spare")
        await problem(gateway, "/api/v1/policies/nope", 404, "unknown", "no policy nope")


async def test_feed_tells_its_policy_in_plain_words(tmp_path: Path, index: FakeIndex) -> None:
    async with Gateway(tmp_path, *feeds(index), policies=(CORP,)) as gateway:
        told = (await gateway.get("/api/v1/feeds/pypi")).json()
        assert told["policy_name"] == "corp"
        assert told["policy"].startswith("Policy corp. Nothing is hidden (audit)")
        assert "digest changed" in told["policy"]
        plain = (await gateway.get("/api/v1/feeds/plain")).json()
        assert (plain["policy_name"], plain["policy"].partition(":")[0]) == (None, "no policy")
