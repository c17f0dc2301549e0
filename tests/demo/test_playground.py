"""The workbench in a real Chromium: each control changes the picture and the code, and the address keeps them."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from conftest import PHOTOGRAPHS
from flask import Flask, render_template_string, url_for

from demo.conftest import THEMES, WIDTHS, Demo, axe
from demo.waiting import until
from flask_images_vips import Images
from flask_images_vips.options.options import DECLARED

expect = pytest.importorskip("playwright.sync_api").expect
Parts = dict[int, str]

# What a visitor does with each control: a value to type or to choose, several to check, or a value for each part.
TRIES: dict[str, str | list[str] | Parts] = {
    "width": "200",
    "height": "90",
    "mode": "crop",
    "aspect": "1:1",
    "gravity": "west",
    "focal": {0: "0.1", 1: "0.9"},
    "region": {2: "0.5", 0: "0.25"},
    "dpr": "2",
    "enlarge": "",
    "rotate": "90",
    "flip": "horizontal",
    "trim": "60",
    "transform": "EXTENT,0,0,10%,10%,90%,90%",
    "format": "png",
    "quality": "20",
    "max_bytes": "3000",
    "lossless": "",
    "progressive": "",
    "animated": "",
    "depth": "10",
    "brightness": "1.5",
    "contrast": "1.5",
    "saturation": "2",
    "blur": "5",
    "sharpen": {0: "2", 1: "200"},
    "grayscale": "",
    "background": "#336699",
    "padding": {0: "10"},
    "border": {0: "6", 1: "#b5651d"},
    "radius": "max",
    "text": "Good morning!",
    "text_style": "poster",
    "watermark": {0: "photos/cup.png"},
    "keep": ["copyright", "icc"],
    "rights": "0123456789ab",
    "download": "me.jpg",
    "cache": "",
    "expires": "2040-01-01T10:00",
    "arm": "canary",
}
# What must be given already, so that the picture changes.
BEFORE = {
    "gravity": "width=120&height=120&mode=crop",
    "focal": "width=120&height=120&mode=crop",
    "mode": "width=120&height=120",
    "enlarge": "width=900",
    "depth": "width=64&format=avif",
    "lossless": "width=120&format=webp",
    "background": "width=120&height=120&mode=pad",
    "text_style": "width=300&text=Hello",
    "aspect": "width=120",
}
SAME_PICTURE = {"animated", "keep", "rights", "download", "cache", "expires", "arm"}


def test_each_option_is_tried_here() -> None:
    assert TRIES.keys() == DECLARED.keys()


def set_control(page: Any, name: str, value: str | list[str] | Parts) -> None:
    """Set the control of the option *name*, as a visitor does."""
    control = page.locator(f'[data-option="{name}"]')
    kind = control.get_attribute("data-kind")
    if isinstance(value, list):
        for each in value:
            control.get_by_label(each, exact=True).check()
    elif isinstance(value, dict):
        for part, text in value.items():
            field = page.locator(f"#o-{name}-{part}")
            (field.select_option if field.evaluate("e => e.tagName") == "SELECT" else field.fill)(text)
    elif kind == "switch":
        page.locator(f"#o-{name}").click()
    elif kind == "segments":
        control.get_by_role("radio", name=value, exact=True).check(force=True)
    elif kind == "select":
        page.locator(f"#o-{name}").select_option(value)
    else:
        page.locator(f"#o-{name}").fill(value)
    page.evaluate("document.activeElement.blur()")


def digest(demo: Demo, url: str) -> str:
    response = demo.app.test_client().get(url)
    assert response.status_code == 200
    return hashlib.sha256(response.data).hexdigest()


def opened(page: Any, query: str = "photo=cat.jpg&width=300") -> str:
    page.goto(f"/?{query}")
    page.wait_for_load_state("networkidle")
    page.evaluate("document.querySelectorAll('.group').forEach(group => group.open = true)")
    src: str = page.get_attribute("#picture", "src")
    return src


@pytest.fixture(scope="module")
def bench(browser: Any, demo: Demo) -> Iterator[Any]:
    """One page for all controls, because loading it takes longer than a change."""
    page = browser.new_page(base_url=demo.url)
    opened(page)
    yield page
    page.close()


def rest(page: Any) -> None:
    """Wait until the page shows what its address says."""
    query = page.evaluate("'?' + new URLSearchParams(location.search)")
    expect(page.locator("#stage")).to_have_attribute("data-shown", query)


def go(page: Any, query: str) -> str:
    """Let the page show *query*, as if it came back to it, and return the URL of its picture."""
    page.evaluate(
        "query => { history.pushState(null, '', query); dispatchEvent(new PopStateEvent('popstate')); }", query
    )
    rest(page)
    src: str = page.get_attribute("#picture", "src")
    return src


@pytest.mark.parametrize("name", DECLARED)
def test_each_control_changes_the_picture_the_code_and_the_address(bench: Any, demo: Demo, name: str) -> None:
    before = go(bench, f"?photo=cat.jpg&{BEFORE.get(name, 'width=300')}")
    set_control(bench, name, TRIES[name])
    expect(bench.locator("#picture")).not_to_have_attribute("src", before)
    rest(bench)
    after = bench.get_attribute("#picture", "src")
    assert f"{DECLARED[name].short}=" in after
    assert bench.evaluate("document.getElementById('picture').naturalWidth") > 0
    assert f" {name}=" in bench.text_content("#code-jinja")
    assert re.search(rf" {name}=|images\.", bench.text_content("#code-url-for"))
    assert bench.text_content("#code-url") == demo.url + after
    assert after.replace("&", "&amp;") in bench.text_content("#code-html")
    assert re.search(rf"[?&]{name}=", bench.url)
    assert (digest(demo, before) == digest(demo, after)) is (name in SAME_PICTURE)


@pytest.mark.parametrize("theme", THEMES)
def test_axe_finds_nothing_in_opened_groups(page: Any, theme: str) -> None:
    page.emulate_media(color_scheme=theme, reduced_motion="reduce")
    opened(page, "photo=cat.jpg&width=wide&mode=crop&grayscale=1&keep=icc&text=a")
    assert axe(page) == []


def test_the_address_brings_all_controls_back(page: Any) -> None:
    query = "photo=cat.jpg&width=200&mode=crop&height=120&focal=0.2%2C0.8&padding=4&keep=icc&animated=0&flip=both"
    opened(page, query)
    assert [page.input_value(f"#o-padding-{side}") for side in range(4)] == ["4"] * 4
    page.fill("#o-blur", "2")
    page.keyboard.press("Tab")
    expect(page.locator("#code-jinja")).to_contain_text("blur=2")
    code = page.text_content("#code-jinja")
    page.reload()
    assert page.text_content("#code-jinja") == code
    page.fill("#o-blur", "3")  # the script reads the same from the controls as the server from the address
    expect(page.locator("#code-jinja")).to_have_text(code.replace("blur=2", "blur=3"))


def test_sliders_follow_their_fields_and_keys_move_them(page: Any) -> None:
    opened(page)
    slider = page.locator("[data-for=o-width]")
    assert slider.input_value() == "300"
    slider.focus()
    page.keyboard.press("ArrowRight")
    assert page.input_value("#o-width") == "301"
    expect(page.locator("#f-size")).to_contain_text("301 ×")
    page.fill("#o-width", "64")
    assert slider.input_value() == "64"
    page.locator("[data-reset=width]").click()
    assert page.input_value("#o-width") == ""
    expect(page.locator("#f-size")).to_contain_text("451 ×")
    palette = page.locator("[data-for=o-background]")
    palette.evaluate("e => { e.value = '#00ff00'; e.dispatchEvent(new Event('input', {bubbles: true})); }")
    assert page.input_value("#o-background") == "#00ff00"


def test_the_way_back_goes_through_the_changes(page: Any) -> None:
    page.goto("/")
    page.wait_for_load_state("networkidle")
    first, code = shown_size(page), page.text_content("#code-jinja")
    photo = re.search(r"photos/(\w+\.jpg)", code)[1]
    page.get_by_role("link", name="Avatar").click()
    expect(page.locator("#f-size")).to_have_text("240 × 240")
    assert page.get_by_role("link", name="Avatar").get_attribute("aria-current") == "true"
    page.get_by_role("link", name="The face of a tabby cat").click()
    expect(page.locator("#code-jinja")).to_contain_text("cat.jpg")
    page.go_back()
    expect(page.locator("#code-jinja")).to_contain_text(photo)
    assert shown_size(page) == "240 × 240"
    page.go_back()
    expect(page.locator("#f-size")).to_have_text(first)
    assert page.text_content("#code-jinja") == code


def shown_size(page: Any) -> str:
    text: str = page.text_content("#f-size")
    return text


def test_the_way_back_to_the_first_try_leads_to_it_even_after_a_reload(page: Any) -> None:
    page.goto("/")
    first = page.input_value("#o-width")
    page.locator("#o-width").fill("333")
    page.keyboard.press("Tab")
    until(page, "location.search.includes('width=333') && document.getElementById('picture').naturalWidth === 333")
    page.reload()
    page.go_back()
    until(page, f"document.getElementById('picture').naturalWidth === {first}")
    assert page.input_value("#o-width") == first


def test_a_wrong_value_is_explained_beside_its_control(page: Any) -> None:
    opened(page)
    page.fill("#o-width", "wide")
    sentence = "width expects a whole number of pixels, such as 400."
    expect(page.locator("#e-width")).to_have_text(sentence)
    assert page.get_by_role("alert").inner_text() == sentence
    assert page.get_attribute("#o-width", "aria-invalid") == "true"
    assert page.is_hidden("#compare")
    page.fill("#o-width", "200")
    page.wait_for_selector("#compare:not([hidden])")
    assert page.is_hidden("#e-width")
    assert page.get_attribute("#o-width", "aria-invalid") is None
    page.fill("#o-width", "90000")
    page.locator("#o-enlarge").click()
    expect(page.locator("#problem")).to_contain_text("IMAGES_MAX_OUTPUT_PIXELS")


def test_a_picture_is_rendered_again(page: Any) -> None:
    opened(page, "photo=cat.jpg&width=203")
    page.reload()
    assert page.text_content("#f-cache") == "hit"
    page.click("#again")
    expect(page.locator("#f-cache")).to_have_text("miss")
    assert page.text_content("#f-engine") == "libvips"
    assert re.fullmatch(r"[\d.]+ ms", page.text_content("#f-time"))


def test_the_line_between_picture_and_original_moves_by_keyboard(page: Any) -> None:
    opened(page)
    page.focus("#compare-range")
    for _ in range(5):
        page.keyboard.press("ArrowRight")
    assert page.evaluate("getComputedStyle(document.getElementById('compare')).getPropertyValue('--at')") == "35%"
    box, before = (page.locator(f"#{name}").bounding_box() for name in ("picture", "before"))
    assert box == before


def test_copy_buttons_copy_what_runs(page: Any, demo: Demo) -> None:
    opened(
        page, "photo=cat.jpg&width=150&height=150&mode=crop&focal=0.4,0.3&padding=4&border=2,red&text=It%27s+%22me%22"
    )
    copied: dict[str, str] = {}
    for tab in ("Jinja", "url_for", "Signed URL", "HTML"):
        page.get_by_role("tab", name=tab).click()
        page.get_by_role("tabpanel").get_by_role("button", name="Copy").click()
        expect(page.locator("#announcer")).to_have_text("Copied")
        copied[tab] = page.evaluate("navigator.clipboard.readText()")
    assert copied["Signed URL"].startswith(demo.url)
    url = copied["Signed URL"].removeprefix(demo.url)
    assert demo.app.test_client().get(url).status_code == 200
    site = Flask("site", root_path=str(PHOTOGRAPHS.parent.parent))
    keys = ("IMAGES_FONTS", "IMAGES_TEXT_STYLES", "SECRET_KEY", "IMAGES_CACHE")
    site.config.update({key: demo.app.config[key] for key in keys})
    Images(site)
    with site.test_request_context():
        assert render_template_string(copied["Jinja"]) == copied["HTML"]
        assert eval(copied["url_for"], {"url_for": url_for}) == url
    assert site.test_client().get(url).status_code == 200


def test_where_a_page_may_not_copy_the_code_is_selected(page: Any) -> None:
    page.add_init_script("delete Navigator.prototype.clipboard; document.execCommand = () => false;")
    opened(page)
    page.get_by_role("tabpanel").get_by_role("button", name="Copy").click()
    expect(page.locator("#announcer")).to_have_text("The code is selected. Press Ctrl+C to copy it.")
    assert page.evaluate("String(getSelection())").startswith("{{ resized_img_tag(")


def test_tabs_move_with_the_arrow_keys(page: Any) -> None:
    opened(page)
    page.get_by_role("tab", name="Jinja").focus()
    page.keyboard.press("ArrowLeft")
    assert page.get_by_role("tab", name="HTML").get_attribute("aria-selected") == "true"
    assert page.is_visible("#code-html")
    assert not page.is_visible("#code-jinja")


def test_every_help_opens_by_its_button_and_closes_with_escape(page: Any) -> None:
    opened(page)
    for name in ("width", "gravity", "arm"):
        page.locator(f"[popovertarget=about-{name}]").click()
        assert page.is_visible(f"#about-{name}")
        page.keyboard.press("Escape")
        assert not page.is_visible(f"#about-{name}")


def test_the_page_works_without_a_script(browser: Any, demo: Demo) -> None:
    context = browser.new_context(base_url=demo.url, java_script_enabled=False)
    page = context.new_page()
    page.goto("/?photo=cat.jpg&width=300")
    page.fill("#o-width", "111")
    page.get_by_text("Effects", exact=True).click()
    page.locator("#o-grayscale").check()
    page.get_by_role("button", name="Show", exact=True).click()
    assert page.text_content("#f-size") == "111 × 73"
    assert "grayscale=True" in page.text_content("#code-jinja")
    assert "animated" not in page.text_content("#code-jinja")
    assert urlsplit(page.url).query == "photo=cat.jpg&width=111&grayscale=1"
    context.close()


def test_options_are_found_by_their_name_and_their_description(page: Any) -> None:
    opened(page)
    page.fill("#find", "watermark")
    seen = page.locator("[data-option]:visible").evaluate_all("all => all.map(each => each.dataset.option)")
    assert seen == ["dpr", "watermark"]  # dpr multiplies the margin of a watermark
    page.fill("#find", "no such thing")
    assert page.is_visible("#found-nothing")
    page.fill("#find", "")
    assert page.locator("[data-option]:visible").count() == len(DECLARED)


@pytest.mark.parametrize("width", [1000, 1280, 1440])
def test_nothing_is_hidden_under_the_options(page: Any, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    page.goto("/")
    expect(page.locator("#compare")).to_have_class(re.compile("ready"))
    right = "document.querySelector('{}').getBoundingClientRect().right"
    assert page.evaluate(right.format(".result")) < page.evaluate(right.format(".work"))
    assert page.evaluate(right.format(".thumbnails")) < page.evaluate(right.format(".work"))


def test_on_a_laptop_the_code_is_seen_and_the_measured_values_are_in_one_row(page: Any) -> None:
    page.set_viewport_size({"width": 1280, "height": 800})
    opened(page)
    page.evaluate(
        """() => Object.entries({"f-size": "1280 × 720", "f-own-size": "of 5712 × 4284", "f-bytes": "104.2 kB",
        "f-share": "1.4% of 12.51 MB", "f-time": "264 ms", "f-render": "250 ms rendering",
        "f-cache-note": "rendered now",
        "f-saving": "−98%"}).forEach(([id, text]) => { document.getElementById(id).textContent = text; })"""
    )
    stats, again = (page.locator(place).bounding_box() for place in (".stats", "#again"))
    assert stats["y"] < again["y"] < stats["y"] + stats["height"]
    copy = page.get_by_role("tabpanel").get_by_role("button", name="Copy").bounding_box()
    assert copy["y"] + copy["height"] < 800
    assert page.get_by_text("with the path of your photograph in static/").is_visible()


def test_the_picture_can_be_looked_at_closely(page: Any) -> None:
    opened(page)
    page.get_by_role("radio", name="4×").check(force=True)
    assert page.locator("#picture").bounding_box()["width"] == 1200
    assert page.evaluate("document.getElementById('stage').scrollLeft") > 0
    page.get_by_role("radio", name="Fit", exact=True).click(force=True)  # it stays where it is
    assert page.locator(".zoom").bounding_box()["y"] > page.locator("#stage").bounding_box()["y"]


def test_nothing_moves_while_the_page_loads_and_while_a_picture_changes(page: Any) -> None:
    page.set_viewport_size({"width": 390, "height": WIDTHS[390]})
    page.add_init_script(
        """window.moved = 0; new PerformanceObserver(list => {
            for (const entry of list.getEntries()) if (!entry.hadRecentInput) moved += entry.value;
        }).observe({type: 'layout-shift', buffered: true})"""
    )
    opened(page)
    assert page.evaluate("moved") < 0.01
    page.fill("#o-quality", "20")
    page.evaluate("document.activeElement.blur()")
    rest(page)
    assert page.evaluate("moved") < 0.01


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"width": "wide"}, "width expects a whole number of pixels"),
        ({"text": "a", "text_style": "loud"}, "text_style expects one of"),
        ({"width": "0"}, ""),
        ({"width": "90000", "enlarge": "1"}, "IMAGES_MAX_OUTPUT_PIXELS"),
    ],
)
def test_what_a_visitor_tries_is_explained_on_the_page_and_not_logged(
    demo: Demo, caplog: pytest.LogCaptureFixture, options: dict[str, str], problem: str
) -> None:
    for path in ("/", "/render.json"):
        assert problem in demo.app.test_client().get(path, query_string={"photo": "cat.jpg", **options}).text
    assert [record.message for record in caplog.records if record.levelname == "WARNING"] == []


def test_a_download_works_without_a_script_and_says_what_it_saves(demo: Demo) -> None:
    client = demo.app.test_client()
    text = client.get("/?photo=cat.jpg&width=100&format=auto").text
    (url, saving), *_ = re.findall(r'id="download" href="([^"]+)">Download<span id="f-saving">(.*?)</span>', text)
    assert re.fullmatch(r"−\d\d%", saving)
    response = client.get(url.replace("&amp;", "&"))
    assert response.headers["Content-Disposition"] == 'attachment; filename="cat.avif"'
    assert response.mimetype == "image/avif"


def test_a_download_follows_the_picture(page: Any) -> None:
    opened(page, "photo=cat.jpg&width=200&format=png")
    page.fill("#o-width", "150")
    page.keyboard.press("Tab")
    expect(page.locator("#f-size")).to_contain_text("150 ×")
    with page.expect_download() as download:
        page.get_by_role("link", name="Download").click()
    assert download.value.suggested_filename == "cat.png"
    page.fill("#o-width", "wide")
    expect(page.locator("#download")).to_be_hidden()


def test_a_pasted_call_or_url_sets_the_controls(page: Any, demo: Demo) -> None:
    opened(page, "photo=rocket.jpg&width=300&height=90&mode=crop&focal=0.2,0.4&animated=0&padding=3&text=It%27s+(me)")
    code = {name: page.text_content(f"#code-{name}") for name in ("jinja", "url-for", "url", "html")}
    for each in (*code.values(), page.url):
        page.goto("/?photo=cat.jpg")
        page.get_by_label("Paste a call or a URL").fill(each)
        page.keyboard.press("Enter")
        expect(page.locator("#code-jinja")).to_have_text(code["jinja"])
        assert page.input_value("#o-padding-2") == "3"
    page.get_by_label("Paste a call or a URL").fill("{{ resized_img_src(photo.path, width=3) }}")
    page.keyboard.press("Enter")
    expect(page.locator("#e-pasted")).to_have_text(
        "Only plain values can be read, but the first argument is photo.path."
    )
    assert page.text_content("#code-jinja") == code["jinja"]
    location = demo.app.test_client().get("/", query_string={"pasted": code["url-for"]}).headers["Location"]
    assert location.startswith("/?photo=rocket.jpg&width=300&height=90")  # without a script


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("good morning", "This is neither a call such as"),
        ("", "This is neither a call such as"),
        ("http://[", "This is neither a call such as"),
        ("https://example.com/cat.jpg?w=3", "This is neither a call such as"),
        ("__import__('os').system('ls')", "This is neither a call such as"),
        ("(" * 5000, "Copy it from the first bracket to the last."),
        ("resized_img_src('a.jpg', width=", "Copy it from the first bracket to the last."),
        ("resized_img_src('a.jpg', blur=9**9**9)", "Only plain values can be read, but blur is 9**9**9."),
        (f"resized_img_src('a.jpg', blur=x{'.x' * 2000})", "Only plain values can be read, but blur is x.x."),
        ("resized_img_src(**call)", "Arguments after ** cannot be read here."),
        ("a" * 9000, "This has more than 8,000 characters."),
    ],
)
def test_what_cannot_be_read_is_said_in_a_sentence(demo: Demo, text: str, problem: str) -> None:
    assert problem in demo.app.test_client().get("/pasted.json", query_string={"pasted": text}).json["problem"]
    shown = demo.app.test_client().get("/", query_string={"pasted": text, "photo": "cat.jpg"}).text
    assert not text or '<p class="wrong" id="e-pasted" role="alert">' in shown


def test_a_picture_that_is_not_here_leaves_the_one_that_is_shown(demo: Demo) -> None:
    query = {"pasted": "{{ resized_img_tag('team/anna.jpg', trim=true, width=9, alt='Anna') }}", "photo": "cat.jpg"}
    answer = demo.app.test_client().get("/pasted.json", query_string=query).json
    assert answer["query"] == {"photo": "cat.jpg", "width": "9", "trim": "true"}
    assert answer["note"] == "team/anna.jpg is not here, so this applies to the picture that is shown."
