"""Every page of the built site: complete, no foreign requests, accessible, fit for a phone, legible without scripts."""

from pathlib import Path

import pytest

AXE = Path(__file__).parents[2] / "_build" / "npm" / "node_modules" / "axe-core" / "axe.min.js"
PHONE, SCREEN = {"width": 390, "height": 844}, {"width": 1280, "height": 800}


@pytest.fixture
def watch():
    """Return a function that notes in a list whatever goes wrong on a page."""

    def start(page, home):
        wrong = []

        def request(request):
            if not request.url.startswith((home, "data:", "blob:")):
                wrong.append(f"asks for {request.url}")

        def console(line):
            if line.type == "error":
                wrong.append(f"console: {line.text}")

        page.on("request", request)
        page.on("console", console)
        page.on("requestfailed", lambda request: wrong.append(f"{request.url} failed"))
        page.on("response", lambda answer: answer.status >= 400 and wrong.append(f"{answer.url}: {answer.status}"))
        page.on("pageerror", lambda error: wrong.append(f"script: {error}"))
        return wrong

    return start


@pytest.mark.parametrize("viewport", [SCREEN, PHONE], ids=["screen", "phone"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_served_page_is_complete_and_accessible(browser, address, watch, path, viewport, scheme):
    page = browser.new_page(viewport=viewport, color_scheme=scheme)
    wrong = watch(page, address)
    page.goto(address + path, wait_until="load")
    page.wait_for_load_state("networkidle")
    assert not wrong
    scroll, width = page.evaluate("[document.documentElement.scrollWidth, document.documentElement.clientWidth]")
    assert scroll <= width, "the page scrolls sideways"
    page.add_script_tag(path=AXE)
    found = page.evaluate("axe.run({resultTypes: ['violations']})")["violations"]
    found = [
        f"{rule['id']}: {node['target']} {node['failureSummary']}"
        for rule in found
        if rule["impact"] in ("serious", "critical")
        for node in rule["nodes"]
    ]
    assert not found, "\n".join(found)
    page.close()


def test_a_page_opened_as_a_file_is_complete(browser, site, watch, path):
    page = browser.new_page()
    wrong = watch(page, site.as_uri())
    page.goto((site / path).as_uri(), wait_until="load")
    page.wait_for_load_state("networkidle")  # the first page leads on to another
    assert not wrong
    tables = "[...document.querySelectorAll('.explore-group > script')]"
    assert page.evaluate(f"{tables}.every((table) => table.closest('.explore-ready'))"), "a slider does not move"
    page.close()


def test_a_page_without_scripts_shows_its_figures(browser, site, path):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto((site / path).as_uri())
    for svg in page.locator(".explore svg").all():
        box = svg.bounding_box()
        assert box["width"] > 200 and box["height"] > 100
    assert not any(control.is_visible() for control in page.locator(".explore input").all())
    context.close()
