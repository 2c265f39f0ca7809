"""Sanitised content: what never reaches a page, what stays as it was written, what the author is told."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from personalization.sanitizer import MAX_TAGS
from personalization.sanitizer_check import taken_out
from personalization.templates import RenderError, TemplateError, compile_template
from sites.check import check_text
from sites.compile import compile_site
from sites.model import SiteFile

HOSTILE = json.loads((Path(__file__).parent.parent / "cases" / "hostile_html.json").read_text())
ACTIVE = {
    "script",
    "style",
    "iframe",
    "form",
    "input",
    "object",
    "embed",
    "svg",
    "math",
    "base",
    "meta",
    "link",
}


class Seen(HTMLParser):
    """The tags and attributes of some HTML."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]


def clean(source: str, **context: Any) -> str:
    return compile_template(source, default_locale="en", sanitize=True)(context)


@pytest.mark.parametrize("html", HOSTILE)
def test_nothing_that_acts_gets_through(html: str) -> None:
    seen = Seen(clean(html))
    assert not ACTIVE & set(seen.tags)
    for name, value in seen.attributes:
        assert not name.startswith("on")
        assert name not in {"style", "srcdoc", "formaction", "action", "id", "name", "is", "slot", "nonce"}
        if name in {"href", "src", "poster", "cite"}:
            scheme = re.match(r"([^/?#]*?):", "".join(value.split()).lower())
            assert scheme is None or scheme[1] in {"https", "mailto", "tel"}


@pytest.mark.parametrize("html", HOSTILE)
def test_what_is_clean_stays_clean(html: str) -> None:
    once = clean(html)
    assert clean(once) == once


KEPT = [
    '<section class="a b" data-kz-event="cta" aria-label="A" lang="ja"><h2>はい &amp; more</h2></section>',
    '<a href="/pricing?a=1&amp;b=2#top">x</a>',
    '<a href="https://example.com/" target="_blank" rel="nofollow">x</a>',
    '<a href="mailto:a@example.com">x</a><a href="tel:+81312345678">x</a>',
    '<img src="/a.png" srcset="/a.png 1x, /b.png 2x" alt="A" width="10" height="10" loading="lazy">',
    '<table class="t"><tbody><tr><td colspan="2">1</td></tr></tbody></table>',
    '<picture><source srcset="/a.webp" type="image/webp"><img src="/a.png" alt=""></picture>',
    '<video src="https://example.com/a.mp4" controls="" muted=""></video>',
    '<button data-kz-event="call" type="button">Call</button>',
    '<ul><li>1</li><li>2</li></ul><p>a<br>b</p><details open=""><summary>s</summary></details>',
    "plain words, 2 &lt; 3",
]


@pytest.mark.parametrize("html", KEPT)
def test_what_designers_write_stays_as_it_is(html: str) -> None:
    assert clean(html) == html
    assert list(taken_out(html)) == []


def test_a_links_rel_is_its_authors() -> None:
    assert clean('<a href="/x" target="_blank">x</a>') == '<a href="/x" target="_blank">x</a>'


def test_a_button_sends_no_form_of_the_pages() -> None:
    assert clean("<button>x</button>") == '<button type="button">x</button>'


def test_a_block_cannot_swallow_what_follows_it() -> None:
    assert clean("<div><b>x") == "<div><b>x</b></div>"
    assert clean("x</div></body><p>y") == "x<p>y</p>"


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("https://example.com/?a=1", '<a href="https://example.com/?a=1">x</a>'),
        ("/pricing", '<a href="/pricing">x</a>'),
        ("http://example.com/", "<a>x</a>"),
        ("javascript:alert(1)", '<a href="">x</a>'),
    ],
)
def test_the_values_of_a_visitor_are_cleaned_with_each_rendering(address: str, shown: str) -> None:
    assert clean('<a href="{{ traits.to | url }}">x</a>', traits={"to": address}) == shown


def test_a_value_stays_text() -> None:
    evil = "<img src=x onerror=alert(1)>&lt;script&gt;\"'"
    seen = Seen(clean('<p title="{{ traits.x }}">{{ traits.x }}</p>', traits={"x": evil}))
    assert seen.tags == ["p"]
    assert seen.attributes == [("title", evil)]


def test_each_locale_is_cleaned() -> None:
    source = {"ja": "<p onclick=a>はい</p>", "en": "<p style=a>yes {{ score }}</p>"}
    render = compile_template(source, default_locale="ja", sanitize=True)
    assert render({"locale": "ja"}) == "<p>はい</p>"
    assert render({"locale": "en", "score": 3}) == "<p>yes 3</p>"


def test_what_is_the_same_for_everybody_is_cleaned_once() -> None:
    render = compile_template("<p onclick=a>x</p>", default_locale="en", sanitize=True)
    assert render({}) is render({"score": 1})


def test_without_it_nothing_is_changed() -> None:
    html = '<p style="color: red" id=a>x<script>a()</script>'
    assert compile_template(html, default_locale="en")({}) == html


def test_too_many_tags_are_refused_before_they_cost_anything() -> None:
    with pytest.raises(TemplateError, match="tags"):
        clean("<b>" * (MAX_TAGS + 1))
    assert clean("<b>" * MAX_TAGS).startswith("<b><b>")
    render = compile_template(
        "{% for a in audiences %}<b>x</b>" + "</b>" * 11 + "{% endfor %}", default_locale="en", sanitize=True
    )
    with pytest.raises(RenderError, match="tags"):
        render({"audiences": ["a"] * 100})


def test_cleaning_may_not_make_it_too_long() -> None:
    with pytest.raises(TemplateError, match="too long"):
        clean("&" * 20_000)


TOLD = [
    ("<p>\n<script>a<b></script>", 2, "take out <script>"),
    ('<p\n style="a">', 1, "take out `style` of <p>"),
    ("<p>{{\n\nscore }}<b onclick=a>", 3, "take out `onclick` of <b>"),
    ("{% if score %}\n<form><p>x</p></form>{% endif %}", 2, "take out <form>"),
    ('a\n<a href="javascript:a()">', 2, "the address `javascript:a()`"),
    ('<a href="http://{{ traits.x | urlencode }}/">', 1, "the address `http://…/`"),
    ('<a href="/" target="_top">', 1, "take out `target` of <a>"),
    ("<button type=submit>", 1, "take out `type` of <button>"),
    ("<p id=x>", 1, "take out `id` of <p>"),
    ("<b>x</b>\n<tr><td>a</td></tr>", 2, "lose a <tr>"),
    ("<svg viewBox='0 0 1 1'>\n<path d=M0/></svg>", 1, "take out <svg>"),
    ("{% if score %}" + "<b>" * 600 + "{% else %}" + "<b>" * 600 + "{% endif %}", 1, "more than 1,000 tags"),
]


@pytest.mark.parametrize(("source", "line", "words"), TOLD, ids=range(len(TOLD)))
def test_the_author_is_told_what_would_be_missing(source: str, line: int, words: str) -> None:
    first = next(taken_out(source))
    assert (first.line, words in str(first)) == (line, True), str(first)


@pytest.mark.parametrize(
    "source",
    [
        '<a href="{{ traits.to | url }}">x</a>',
        '<a href="https://{{ traits.a | urlencode }}.example.com:{{ score }}/">x</a>',
        '<img src="https://img.example.com/{{ locale }}.png" alt="">',
        '{% if score %}<div class="a">{% else %}<div class="b">{% endif %}x</div>',
        "<table>{% for a in audiences %}<tr><td>{{ a }}</td></tr>{% endfor %}</table>",
        "<!-- a note --><p>x</p>",
        "<p>x<p>y<br/>",
    ],
)
def test_nobody_is_told_of_what_stays(source: str) -> None:
    assert list(taken_out(source)) == []


def test_each_thing_is_told_once() -> None:
    found = [
        str(one) for one in taken_out("<i style=a></i>\n<i style=b onx=c></i><svg><g></g></svg><svg></svg>")
    ]
    assert len(found) == len(set(found)) == 3


# In a site file

FILE = """site: demo
name: Demo
write_key: k
origins: ["https://example.com"]
{site}
experiences:
  - id: top
    slot: hero
    {experience}
    choose:
      - variants:
          - id: a
            {variant}
            template: |
              <p>x</p>
              <i style="a">y</i>
"""
LEVELS = [
    ("", "", "", False),
    ("sanitize: true", "", "", True),
    ("sanitize: false", "", "", False),
    ("", "sanitize: true", "", True),
    ("", "", "sanitize: true", True),
    ("sanitize: true", "sanitize: false", "", False),
    ("sanitize: true", "sanitize: false", "sanitize: true", True),
    ("sanitize: true", "", "sanitize: false", False),
    ("", "sanitize: true", "sanitize: false", False),
]


@pytest.mark.parametrize(("site", "experience", "variant", "cleans"), LEVELS)
def test_the_last_of_site_experience_and_variant_decides(
    site: str, experience: str, variant: str, cleans: bool
) -> None:
    text = FILE.format(site=site, experience=experience, variant=variant)
    found = check_text(text)
    told = [(one.line, one.field) for one in found] if isinstance(found, list) else []
    assert told == ([(16, "experiences[0].choose[0].variants[0].template")] if cleans else [])
    file = check_text(text.replace('style="a"', ""))
    assert isinstance(file, SiteFile)
    # What an older file still says is cleaned all the same.
    file = SiteFile.model_validate(
        json.loads(file.model_dump_json(by_alias=True, exclude_unset=True).replace("<i >", "<i style=a>"))
    )
    (made,) = compile_site(file, revision=1, rule_versions={}).experiences
    assert ("style" not in made.choices[0].variants[0].render({})) is cleans


MISTAKES = [
    ("sanitize: yes", "", "sanitize", "must be true or false"),
    ("", "sanitize: maybe", "experiences[0].sanitize", "must be true or false"),
    ("sanitise: true", "", "sanitise", "did you mean `sanitize`"),
]


@pytest.mark.parametrize(("site", "experience", "field", "words"), MISTAKES)
def test_what_it_may_say(site: str, experience: str, field: str, words: str) -> None:
    found = check_text(FILE.format(site=site, experience=experience, variant=""))
    assert isinstance(found, list)
    assert [(one.field, words in one.message) for one in found] == [(field, True)]


def test_it_is_for_templates_alone() -> None:
    text = FILE.format(site="", experience="", variant="").partition("          - id: a")[0]
    found = check_text(text + "          - {id: a, text: x, sanitize: true}\n")
    assert isinstance(found, list)
    assert [one.field for one in found] == ["experiences[0].choose[0].variants[0].sanitize"]
    assert isinstance(check_text("sanitize: true\n" + text + "          - {id: a, text: x}\n"), SiteFile)
