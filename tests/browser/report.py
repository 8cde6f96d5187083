"""Opens reports of `recognizer eval --html` from the disk in Chromium, and looks at what is on them.

    python report.py --chromium FILE [--picture FILE] REPORT.html...

Ends with status 0 and `ok` when nothing was written into the console, nothing was sent for but the files themselves,
every picture is shown, no rule of axe is broken in light and dark, and no text that was put into names became markup.
--picture saves the first report as the documentation shows it.
"""

import argparse
import sys
from pathlib import Path

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import sync_playwright


def look(browser, report, picture, wrong):
    address = report.resolve().as_uri()
    context = browser.new_context(viewport={"width": 1000, "height": 900})
    page = context.new_page()
    page.on("console", lambda said: wrong.append(f"{report}: console: {said.text}"))
    page.on("pageerror", lambda error: wrong.append(f"{report}: uncaught: {error}"))
    page.on("dialog", lambda dialog: (wrong.append(f"{report}: dialog: {dialog.message}"), dialog.dismiss()))

    def asked(request):
        if request.url != address and not request.url.startswith("data:"):
            wrong.append(f"{report}: asked for {request.url}")

    page.on("request", asked)
    page.goto(address)
    if page.title() != page.get_by_role("heading", level=1).inner_text():
        wrong.append(f"{report}: title {page.title()!r}")
    charts = page.locator("svg").all()
    if len(charts) < 3 or any(chart.bounding_box()["height"] < 100 for chart in charts):
        wrong.append(f"{report}: {len(charts)} charts")
    if page.locator("svg polyline").count() + page.locator("svg rect.bar").count() == 0:
        wrong.append(f"{report}: the charts are empty")
    for image in page.locator("img").all():
        if image.evaluate("image => image.naturalWidth") < 16:
            wrong.append(f"{report}: a picture is not shown: {image.get_attribute('alt')}")
    for element in ("script", "link", "iframe", "object", "form"):
        if page.locator(element).count():
            wrong.append(f"{report}: it has a {element}")
    wider = page.evaluate("document.scrollingElement.scrollWidth - window.innerWidth")
    if wider > 0:
        wrong.append(f"{report}: {wider} pixels wider than the screen")
    for scheme in ("dark", "light"):
        page.emulate_media(color_scheme=scheme)
        broken = [(rule["id"], [node["html"] for node in rule["nodes"]]) for rule in Axe().run(page).response["violations"]]
        if broken:
            wrong.append(f"{report}, {scheme}: {broken}")
    if picture:
        page.screenshot(path=picture, full_page=True)
    context.close()


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--chromium", required=True)
    arguments.add_argument("--picture", type=Path)
    arguments.add_argument("reports", nargs="+", type=Path)
    given = arguments.parse_args()
    wrong = []
    with sync_playwright() as playwright:
        # The sandbox of Chromium needs rights that containers lack; what it is shown here is ours.
        browser = playwright.chromium.launch(executable_path=given.chromium, args=["--no-sandbox"])
        for index, report in enumerate(given.reports):
            look(browser, report, given.picture if index == 0 else None, wrong)
        browser.close()
    if wrong:
        sys.exit("\n".join(wrong))
    print("ok")


if __name__ == "__main__":
    main()
