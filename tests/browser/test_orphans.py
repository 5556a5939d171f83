"""Files that are nobody's."""

from __future__ import annotations

from PIL import Image
from playwright.sync_api import Page, expect

from tests.browser.studio import Studio


def test_an_orphan_says_why_and_can_be_forgotten(studio: Studio, page: Page) -> None:
    """It appears without a reload; forgotten, it is no more listed, and lies where it was."""
    page.goto("/orphans")
    orphan = studio.simulator.output_dir / "<i>nobodys.png"
    Image.new("RGB", (64, 48), "teal").save(orphan)
    row = page.get_by_role("row").filter(has_text=orphan.name)
    expect(row).to_contain_text("no prompt that is known lists it")
    expect(row).to_contain_text("sound")
    expect(row.get_by_role("img", name=orphan.name)).to_have_js_property("complete", True)
    row.get_by_role("button", name=f"Forget {orphan.name}").click()
    question = page.get_by_role("dialog")
    expect(question).to_contain_text("The file itself stays where it is.")
    question.get_by_role("button", name="Forget").click()
    expect(row).to_have_count(0)
    assert orphan.exists()


def test_the_list_is_filtered_by_its_address(page: Page) -> None:
    """Nothing is of a server that nobody knows, and a cursor that is none is said to be so."""
    page.goto("/orphans")
    page.get_by_label("Server").select_option("gpu1")
    page.get_by_role("button", name="Show").click()
    expect(page).to_have_url(f"{page.url.partition('?')[0]}?server=gpu1")
    page.goto("/orphans?server=elsewhere")
    expect(page.get_by_text("No orphans")).to_be_visible()
    answer = page.goto("/orphans?cursor=nonsense")
    assert answer is not None and answer.status == 422
