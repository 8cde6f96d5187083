"""Drives the page "Persons of Interest" as people do, in Chromium: with a mouse, a keyboard, a phone, without script.

    python drive.py --frontend URL --receiver URL --examples FOLDER --chromium FILE [--pictures FOLDER]

Everything runs behind URL, on an empty database, with known_people/ enrolled. Ends with status 0 and `ok` when all that
a page shows and does is right, and no page wrote an error into the console, sent for something that failed, or for
anything on another host. --pictures saves what the README shows.
"""

import argparse
import json
import re
import sys
import urllib.error
import urllib.request
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect, sync_playwright

# Recognising a photo on a busy machine, and the page's noticing.
SETTLED_MS = 60_000

# What the phone is: the narrowest that is still common.
PHONE = {"width": 360, "height": 740}

HOSTILE_PATH = '/nowhere/<script>alert(1)</script>"\'&amp;<img src=x onerror=alert(2)>.jpg'


class Browser:
    """Pages, and what went wrong on them."""

    def __init__(self, chromium, frontend):
        self.chromium = chromium
        self.frontend = frontend
        self.wrong = []

    @contextmanager
    def page(self, **options):
        options.setdefault("viewport", {"width": 1100, "height": 800})
        context = self.chromium.new_context(base_url=self.frontend, **options)
        # A page that takes longer than this is wrong, too.
        context.set_default_timeout(15_000)
        page = context.new_page()
        page.on("console", lambda said: said.type in ("error", "warning") and self.note(page, f"console: {said.text}"))
        page.on("pageerror", lambda error: self.note(page, f"uncaught: {error}"))
        page.on("dialog", lambda dialog: (self.note(page, f"dialog: {dialog.message}"), dialog.dismiss()))
        page.on("request", lambda request: self.check_host(page, request))
        page.on("response", lambda answer: self.check_answer(page, answer))
        yield page
        context.close()

    def note(self, page, what):
        self.wrong.append(f"{page.url}: {what}")

    def check_host(self, page, request):
        address = urlsplit(request.url)
        if address.netloc != urlsplit(self.frontend).netloc:
            self.note(page, f"asked another host: {request.url}")

    def check_answer(self, page, answer):
        policy = answer.headers.get("content-security-policy", "")
        if answer.status >= 400:
            self.note(page, f"{answer.status} for {answer.url}")
        if "default-src 'none'" not in policy or "unsafe" in policy:
            self.note(page, f"policy {policy!r} for {answer.url}")


def row(page, path):
    return page.locator("#rows tr").filter(has=page.locator(".path", has_text=path))


def cell(page, path, number):
    """By column: ID 0, Path 1, Person 2, Status 3, Photo 4."""
    return row(page, path).locator("th, td").nth(number)


def upload(page, *photos):
    page.get_by_label("Add photos").last.set_input_files([str(photo) for photo in photos])
    page.get_by_role("button", name="Upload").click()


def newest_path(page):
    return page.locator("#rows tr .path").first.inner_text().removeprefix("Path").strip()


def post_path(receiver, path):
    request = urllib.request.Request(
        f"{receiver}/image/post", json.dumps({"path": path}).encode(), {"content-type": "application/json"}
    )
    with urllib.request.urlopen(request) as answer:
        assert answer.status == 200, answer.status


def accessible(page, what):
    """No rule of axe is broken, in light and in dark."""
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        found = Axe().run(page)
        broken = [(rule["id"], [node["html"] for node in rule["nodes"]]) for rule in found.response["violations"]]
        assert not broken, f"{what}, {scheme}: {broken}"
    page.emulate_media(color_scheme="light")


def fits_the_screen(page):
    wider = page.evaluate("document.scrollingElement.scrollWidth - window.innerWidth")
    assert wider <= 0, f"{page.url} is {wider} pixels wider than the screen"


def settles(page, path, person, status):
    expect(cell(page, path, 2)).to_contain_text(person, timeout=SETTLED_MS)
    expect(cell(page, path, 3)).to_contain_text(status, timeout=SETTLED_MS)


def upload_and_watch(browser, examples):
    """A photo is uploaded; another who looks at the page sees row and person come, without loading it anew."""
    with browser.page() as watching, browser.page() as page:
        page.goto("/")
        expect(page).to_have_title("Persons of Interest")
        expect(page.get_by_role("heading", level=1)).to_have_text("Persons of Interest")
        headings = page.get_by_role("columnheader").all_inner_texts()
        assert headings[:4] == ["ID", "Path", "Person", "Status"], headings
        expect(page.locator("#count")).to_have_text("0 photos")
        watching.goto("/")
        watching.evaluate("window.loadedOnce = true")

        upload(page, examples / "obama2.jpg")
        expect(page.get_by_text("One photo was added.")).to_be_visible()
        expect(page.locator("#rows tr")).to_have_count(1)
        path = newest_path(page)
        settles(watching, path, "obama", "Processed")
        assert watching.evaluate("window.loadedOnce"), "the page was loaded anew"
        expect(watching.locator("#announcement")).to_contain_text("obama")
        settles(page, path, "obama", "Processed")

        image = row(page, path).locator("img")
        image.scroll_into_view_if_needed()
        is_loaded(image, wider_than=90)
        face_lies_on_the_photo(row(page, path))
        accessible(page, "list")
        return path


def is_loaded(image, wider_than=0):
    """Not by `wait_for_function`: between two looks it compiles code in the page, which the page's policy forbids."""
    expect(image).to_have_js_property("complete", True, timeout=SETTLED_MS)
    assert image.evaluate("image => image.naturalWidth") > wider_than


def face_lies_on_the_photo(where):
    photo, face = where.locator("img").bounding_box(), where.locator("rect").first.bounding_box()
    assert face["width"] > 3 and face["height"] > 3, face
    assert photo["x"] <= face["x"] and face["x"] + face["width"] <= photo["x"] + photo["width"], (photo, face)
    assert photo["y"] <= face["y"] and face["y"] + face["height"] <= photo["y"] + photo["height"], (photo, face)


def filter_and_retry(browser, examples):
    """A photo without a face fails; the filter finds it; its button gives it another try."""
    with browser.page() as page:
        page.goto("/")
        upload(page, examples / "chelsea.png", examples / "group.jpg")
        expect(page.get_by_text("2 photos were added.")).to_be_visible()
        expect(page.locator("#rows tr")).to_have_count(3)
        failed = page.locator("#rows tr").filter(has_text="Failed")
        expect(failed).to_have_count(1, timeout=SETTLED_MS)
        expect(page.locator("#rows tr").filter(has_text="Processed")).to_have_count(2, timeout=SETTLED_MS)
        path = failed.locator(".path").inner_text()

        page.get_by_label("Status", exact=True).select_option("Failed")
        page.get_by_role("button", name="Show").click()
        expect(page.locator("#rows tr")).to_have_count(1)
        expect(page.locator("#count")).to_have_text("1 photo found")
        assert urlsplit(page.url).query.startswith("status=failed"), page.url

        tried = tries(page)
        page.get_by_role("button", name=re.compile("^Retry photo")).click()
        expect(page.get_by_text(re.compile(r"^Photo \d+ will be tried again\.$"))).to_be_visible()
        # The filter is kept, and the row comes back when it has failed again.
        expect(page.get_by_label("Status", exact=True)).to_have_value("failed")
        expect(row(page, path)).to_have_count(1, timeout=SETTLED_MS)
        assert tries(page) == tried, "a photo retried by hand begins anew"

        page.get_by_role("link", name="Show all").click()
        page.get_by_label("Person", exact=True).fill("BIDEN")
        page.get_by_role("button", name="Show").click()
        expect(page.locator("#rows tr")).to_have_count(1)
        expect(page.locator("#rows tr")).to_contain_text("biden")
        page.get_by_label("Person", exact=True).fill('no%_"<b>')
        page.get_by_role("button", name="Show").click()
        expect(page.locator("#rows tr")).to_have_count(0)
        expect(page.get_by_label("Person", exact=True)).to_have_value('no%_"<b>')


def tries(page):
    """Tries of the one photo shown, as its own page tells."""
    address = page.locator("#rows tr a").first.get_attribute("href")
    other = page.context.new_page()
    other.goto(address)
    text = other.locator("dt", has_text="Tries").locator("+ dd").inner_text()
    other.close()
    return int(text)


def hostile_path_is_text(browser, receiver):
    with browser.page() as page:
        page.goto("/")
        post_path(receiver, HOSTILE_PATH)
        # Met by the script that exchanges rows, and by a page loaded whole.
        for load in (lambda: None, page.reload):
            load()
            expect(cell(page, HOSTILE_PATH, 1)).to_contain_text(HOSTILE_PATH, timeout=SETTLED_MS)
            settles(page, HOSTILE_PATH, "—", "Failed")
        assert page.locator("main script, main img[src=x]").count() == 0
        expect(row(page, HOSTILE_PATH).locator("img")).to_have_js_property("complete", True)
        row(page, HOSTILE_PATH).get_by_role("link").first.click()
        expect(page.locator("dd.path")).to_have_text(HOSTILE_PATH)
        accessible(page, "detail of a photo that is not there")


def detail_and_people(browser):
    with browser.page() as page:
        page.goto("/?person=biden")
        page.locator("#rows tr").get_by_role("link", name=re.compile("^Photo")).click()
        expect(page.get_by_role("heading", level=1)).to_have_text(re.compile(r"^Photo \d+$"))
        faces = page.locator(".faces tbody tr")
        expect(faces).to_have_count(3)
        expect(page.locator(".photo rect")).to_have_count(3)
        people = sorted(faces.locator("td:nth-child(2)").all_inner_texts())
        assert people == ["biden", "nobody known", "obama"], people
        biden = faces.filter(has_text="biden")
        assert 0.5 < float(biden.locator("td").nth(1).inner_text()) <= 1, biden.inner_text()
        expect(biden).to_contain_text("biden.jpg")
        expect(page.locator("figure img")).to_have_attribute("alt", re.compile("3 faces: .*biden"))
        is_loaded(page.locator("figure img"), wider_than=300)
        face_lies_on_the_photo(page.locator("figure"))
        accessible(page, "detail")

        page.get_by_role("link", name="People").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("People")
        obama = page.locator("#rows tr").filter(has_text="obama")
        assert obama.locator("td").all_inner_texts() == ["1", "1"], obama.inner_text()
        accessible(page, "people")
        obama.get_by_role("link").click()
        expect(page.locator("#rows tr")).to_have_count(1)
        expect(page.locator("#rows tr")).to_contain_text("obama")


def keyboard(browser):
    """Everything can be reached and done with keys, in the order of the page, and the focus is seen."""
    with browser.page() as page:
        page.goto("/?status=failed")
        order = []
        for _ in range(40):
            page.keyboard.press("Tab")
            focused = page.evaluate(
                """() => {
                    const it = document.activeElement;
                    if (it === document.body) return null;
                    const style = getComputedStyle(it);
                    return [it.id || it.name || it.getAttribute("href") || it.innerText, style.outlineStyle];
                }"""
            )
            if focused is None:
                break
            order.append(focused[0])
            assert focused[1] != "none", f"the focus is not seen on {focused[0]}"
        expected = ["#main", "/", "/people", "status", "person", "Show", "/", "photo", "Upload"]
        assert order[: len(expected)] == expected, order
        assert any(name.startswith("retry-") for name in order), order

        page.goto("/?status=failed")
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        assert page.evaluate("document.activeElement.id") == "main"
        page.locator("button[id^=retry-]").first.focus()
        page.keyboard.press("Enter")
        expect(page.get_by_text(re.compile("will be tried again"))).to_be_visible()


def focus_stays(browser, receiver):
    """A change of one row takes the focus from no other."""
    with browser.page() as page:
        page.goto("/")
        link = page.locator("#rows tr").filter(has_text="biden").get_by_role("link")
        link.evaluate("link => { link.closest('tr').marked = true; link.focus(); }")
        focused = link.get_attribute("href")
        post_path(receiver, "/nowhere/another.jpg")
        expect(row(page, "/nowhere/another.jpg")).to_have_count(1, timeout=SETTLED_MS)
        assert page.evaluate("document.activeElement.getAttribute('href')") == focused
        assert page.evaluate("document.activeElement.closest('tr').marked"), "the row was made anew"


def phone(browser):
    with browser.page(viewport=PHONE, is_mobile=True, has_touch=True, device_scale_factor=2) as page:
        for address in ("/", "/people", page_of_group(page)):
            page.goto(address)
            fits_the_screen(page)
            accessible(page, f"{address} on a phone")
        page.goto("/")
        # What is shown as cards is a table still.
        assert page.get_by_role("row").count() > 3
        assert page.get_by_role("cell").count() > 9
        small = page.evaluate(
            """() => Array.from(document.querySelectorAll("button, select, input:not([type=hidden])"))
                .filter(it => it.getBoundingClientRect().height < 24).map(it => it.outerHTML)"""
        )
        assert not small, f"too small for a finger: {small}"


def page_of_group(page):
    page.goto("/?person=biden")
    return page.locator("#rows tr a").first.get_attribute("href")


def without_script(browser, examples):
    with browser.page(java_script_enabled=False) as page:
        page.goto("/")
        rows = page.locator("#rows tr").count()
        upload(page, examples / "coffee.jpg")
        expect(page.get_by_text("One photo was added.")).to_be_visible()
        assert page.locator("#rows tr").count() == rows + 1
        path = newest_path(page)
        for _ in range(SETTLED_MS // 500):
            if "Failed" in row(page, path).inner_text():
                break
            page.wait_for_timeout(500)
            page.reload()
        row(page, path).get_by_role("button", name=re.compile("^Retry photo")).click()
        expect(page.get_by_text(re.compile("will be tried again"))).to_be_visible()
        page.goto("/?status=processed")
        expect(page.locator("#rows tr")).to_have_count(2)


def foreign_forms_are_refused(browser):
    """Forms of other sites, and forms that never saw a page of ours."""
    with browser.page() as page:
        page.goto("/?status=failed")
        address = f"{browser.frontend}{page.locator('form[action$=retry]').first.get_attribute('action')}"
        token = page.locator("input[name=token]").first.get_attribute("value")
        [cookie] = page.context.cookies()
    assert cookie["httpOnly"] and cookie["sameSite"] == "Strict" and cookie["value"] == token, cookie
    own = {"cookie": f"csrf={token}"}
    tried = [
        ({}, b""),
        ({}, f"token={token}".encode()),
        (own, b""),
        (own, b"token="),
        (own, b"token=" + b"0" * 64),
        (own | {"sec-fetch-site": "cross-site"}, f"token={token}".encode()),
        (own | {"sec-fetch-site": "same-site"}, f"token={token}".encode()),
    ]
    for headers, body in tried:
        status = posted(address, headers, body)
        assert status == 403, f"{headers} {body}: {status}"
    assert posted(address, own, f"token={token}".encode()) == 303


class NotFollowed(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_):
        return None


def posted(address, headers, body):
    request = urllib.request.Request(address, body, headers)
    try:
        with urllib.request.build_opener(NotFollowed).open(request) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code


def save_pictures(browser, folder):
    def save(page, name):
        for image in page.locator("img").all():
            image.scroll_into_view_if_needed()
            is_loaded(image)
        page.evaluate("window.scrollTo(0, 0)")
        file = folder / name
        page.screenshot(path=file)
        assert file.stat().st_size < 200_000, f"{name}: {file.stat().st_size} bytes"

    folder.mkdir(parents=True, exist_ok=True)
    with browser.page(viewport={"width": 1000, "height": 600}) as page:
        page.goto("/")
        save(page, "photos.png")
        page.goto(page_of_group(page))
        save(page, "photo.png")
    with browser.page(viewport={"width": 1000, "height": 320}) as page:
        page.goto("/people")
        save(page, "people.png")
    with browser.page(viewport=PHONE, is_mobile=True, color_scheme="dark") as page:
        page.goto("/")
        save(page, "phone.png")


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--frontend", required=True)
    arguments.add_argument("--receiver", required=True)
    arguments.add_argument("--examples", required=True, type=Path)
    arguments.add_argument("--chromium", required=True)
    arguments.add_argument("--pictures", type=Path)
    given = arguments.parse_args()

    with sync_playwright() as playwright:
        # The sandbox of Chromium needs rights that containers lack; what it is shown here is ours.
        chromium = playwright.chromium.launch(executable_path=given.chromium, args=["--no-sandbox"])
        browser = Browser(chromium, given.frontend)
        for step in (
            lambda: upload_and_watch(browser, given.examples),
            lambda: filter_and_retry(browser, given.examples),
            lambda: detail_and_people(browser),
            lambda: given.pictures and save_pictures(browser, given.pictures),
            lambda: hostile_path_is_text(browser, given.receiver),
            lambda: keyboard(browser),
            lambda: focus_stays(browser, given.receiver),
            lambda: phone(browser),
            lambda: without_script(browser, given.examples),
            lambda: foreign_forms_are_refused(browser),
        ):
            step()
        chromium.close()
    if browser.wrong:
        sys.exit("\n".join(browser.wrong))
    print("ok")


if __name__ == "__main__":
    main()
