"""A hub: which hosts send to it, and who reads what is not read yet."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.page.chromium.conftest import Opener
from tests.page.chromium.screenshots import hub_agent

pytestmark = pytest.mark.server

HOSTS = {"web-1": 3, "db-1": 2}


def test_each_host_has_its_containers_lines_and_last_entry(opened: Opener, tmp_path: Path) -> None:
    with hub_agent(tmp_path, HOSTS) as hub:
        page = opened(hub, "#/fleet")
        hosts = page.get_by_role("region", name="Hosts")
        for name, count in HOSTS.items():
            row = hosts.get_by_role("row").filter(has_text=name)
            expect(row.get_by_role("cell").first).to_have_text(str(count))
            expect(row).to_contain_text("ago")
            expect(row).to_contain_text("central")
        stream = page.get_by_role("region", name="Partitions of central")
        expect(stream).to_contain_text("this agent")
        hosts.get_by_role("link", name="db-1").click()
        page.wait_for_url("**/#/containers?q=db-1*")
        expect(page.locator("tbody")).to_contain_text("api-0001")
        expect(page.locator("tbody")).not_to_contain_text("web-1")
