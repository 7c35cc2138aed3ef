"""Every form of an index says the same, and everything about them that a client relies on holds (checklist 1 to 3)."""

import pytest

from tests.conda_feed.readback import FORMS, Form
from tests.conda_feed.stand import Stand
from tests.support.conda_packages import bare


@pytest.mark.parametrize("form", FORMS)
async def test_a_form_has_the_records_of_the_channel(stand: Stand, form: Form) -> None:
    stand.channel.add(bare("a"), bare("b", extension=".tar.bz2"), bare("c", subdir="noarch"))
    await stand.start()
    found = await stand.indexed("linux-64", form)
    assert found == {
        "packages": {"b-1.0-0.tar.bz2": stand.channel.record("linux-64", "b-1.0-0.tar.bz2")},
        "packages.conda": {"a-1.0-0.conda": stand.channel.record("linux-64", "a-1.0-0.conda")},
    }
