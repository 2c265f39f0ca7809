"""Templates: what is refused, what is bounded, what is escaped."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from personalization.filters import MAX_TEXT
from personalization.templates import RenderError, TemplateError, compile_template


def render(source: str | Mapping[str, str], context: Mapping[str, Any] | None = None) -> str:
    return compile_template(source, default_locale="ja")(context or {})


REFUSED = [
    ("{{ 'a'*10**9 }}", "* operator"),
    ("{{ 2**100000000 }}", "** operator"),
    ("{{ 'a' ~ 'b' }}", "~ operator"),
    ("{{ 'a' + 'b' }}", "numbers only"),
    ("{{ '%0999999999d' % 1 }}", "numbers only"),
    ("{{ [1] + [2] }}", "numbers only"),
    ("{{ ''.__class__.__mro__ }}", "underscore"),
    ("{{ traits['__class__'] }}", "underscore"),
    ("{{ _work }}", "underscore"),
    ("{{ traits.name.upper() }}", "calling a function"),
    ("{% for i in range(10**9) %}x{% endfor %}", "calling a function"),
    ("{% for i in range %}x{% endfor %}", "no `range`"),
    ("{{ cycler('a').next() }}", "calling a function"),
    ("{{ cycler }}", "no `cycler`"),
    ("{{ lipsum(n=100000) }}", "calling a function"),
    ("{{ lipsum.__globals__ }}", "underscore"),
    ("{{ joiner }}", "no `joiner`"),
    ("{{ namespace }}", "no `namespace`"),
    ("{{ self }}", "no `self`"),
    ("{{ dict(a=1) }}", "calling a function"),
    ('{{ "{0.__class__}"|format(score) }}', "filter `format`"),
    ('{{ "{0.__class__}".format(score) }}', "calling a function"),
    ("{{ score|attr('__class__') }}", "filter `attr`"),
    ("{{ audiences|map(attribute='__class__')|list }}", "filter `list`"),
    ("{{ audiences|map(attribute='__class__')|first }}", "filter `map`"),
    ("{{ traits.name|safe }}", "filter `safe`"),
    ("{{ traits|tojson }}", "filter `tojson`"),
    ("{{ 'a'|center(1000000000) }}", "filter `center`"),
    ("{{ 'a'|indent(1000000000) }}", "filter `indent`"),
    ("{{ traits|pprint }}", "filter `pprint`"),
    ("{{ traits.name|uper }}", "did you mean `upper`"),
    ("{{ score is callable }}", "test `callable`"),
    ("{% include 'x' %}", "include"),
    ("{% import 'x' as y %}", "import"),
    ("{% from 'x' import y %}", "import"),
    ("{% extends 'x' %}", "extends"),
    ("{% block a %}{% endblock %}", "block"),
    ("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", "macro"),
    ("{% call m() %}{% endcall %}", "call"),
    ("{% filter upper %}x{% endfilter %}", "filter block"),
    ("{% set x %}x{% endset %}", "set block"),
    ("{% set loop.x = 1 %}", ""),
    ("{% with a = 1 %}{% endwith %}", "with"),
    ("{% autoescape false %}{{ traits.name }}{% endautoescape %}", "autoescape"),
    ("{% for a in topics recursive %}{{ a }}{% endfor %}", "recursive"),
    (
        "{% for a in topics %}{% for b in topics %}{% for c in topics %}{% endfor %}{% endfor %}{% endfor %}",
        "2 loops",
    ),
    ("{{ upper(*audiences) }}", "calling a function"),
    ("{{ score|round(*audiences) }}", "arguments"),
    ("{{ traits.name[0:5] }}", "slice"),
    ("{{ {'a': 1} }}", "{ } literal"),
    ("{{ 10000000000000 }}", "this large"),
    ("{{ 1e300 }}", "this large"),
    ("{{ " + "9" * 10_000 + " }}", "cannot be read"),
    ("{{ [" + "1," * 60 + "] }}", "at most 50"),
    ("{{ " + "(" * 5_000 + "1" + ")" * 5_000 + " }}", "nested"),
    ("{{ " + "not " * 4_000 + "1 }}", "nested"),
    ("{{ " + "1 + " * 100 + "1 }}", "nested"),
    ("{% if 1 %}" * 200 + "{% endif %}" * 200, "nested"),
    ("x" * 21_000, "20 KB"),
    ("{{ 'a' ", ""),
    ("{% frobnicate %}", "frobnicate"),
    ("{{ scor }}", "did you mean `score`"),
    ("{{ page.titel }}", "did you mean `title`"),
    ("{{ traits }}", "group of values"),
    ("<a " * 5_000, "never closed"),
    ("<![ endif", "never closed"),
    ("<![x ]>", "cannot be read"),
]


@pytest.mark.parametrize(("source", "words"), REFUSED, ids=range(len(REFUSED)))
def test_refused_when_published(source: str, words: str) -> None:
    with pytest.raises(TemplateError) as error:
        compile_template(source, default_locale="ja")
    assert words in str(error.value)


MISPLACED = [
    ("<script>var a = {{ score }}</script>", "inside <script>"),
    ("<style>a { color: {{ traits.color }} }</style>", "inside <style>"),
    ("<!-- {{ traits.name }} -->", "comment"),
    ("<p onclick=\"go('{{ traits.name }}')\">x</p>", "onclick"),
    ('<p style="color: {{ traits.color }}">x</p>', "style"),
    ('<iframe srcdoc="{{ traits.name }}"></iframe>', "srcdoc"),
    ("<p class={{ traits.name }}>x</p>", "quotes"),
    ("<p {{ traits.name }}>x</p>", "attribute"),
    ("<{{ traits.name }}>x</p>", "name of a tag"),
    ("<h{{ score }}>x</h1>", "name of a tag"),
    ('<a href="{{ traits.site }}">x</a>', "| url"),
    ('<a href="javascript:{{ traits.site }}">x</a>', "| url"),
    ('<img src=" {{ traits.logo }}">', "| url"),
]


@pytest.mark.parametrize(("source", "words"), MISPLACED)
def test_a_value_is_refused_where_escaping_does_not_help(source: str, words: str) -> None:
    with pytest.raises(TemplateError) as error:
        compile_template(source, default_locale="ja")
    assert words in str(error.value)


def test_the_line_of_a_mistake() -> None:
    with pytest.raises(TemplateError) as error:
        compile_template("<p>\n\n{{ traits.name }}\n{{ scor }}</p>", default_locale="ja")
    assert error.value.line == 4


LONG = {
    "traits": {"long": "a" * 60_000, "list": list(range(5_000)), "lists": [[1] * 500] * 500},
    "audiences": ["a"] * 200,
}
BOUNDED = [
    "{{ traits.long|replace('a', traits.long) }}",
    "{{ traits.list|join(traits.long) }}",
    "{{ traits.long }}{{ traits.long }}",
    "{% for a in traits.list %}{{ traits.long }}{% endfor %}",
    "{% for a in traits.list %}{% for b in traits.list %}{{ 'aaaaaaa' }}{% endfor %}{% endfor %}",
    "{% for a in traits.lists %}{% for b in a %}" + "{{ traits.none }}" * 900 + "{% endfor %}{% endfor %}",
    "{% for a in traits.list %}{% for b in audiences %}{% set x = traits.long|upper %}{% endfor %}{% endfor %}",
    "".join("{% set x = x|default('aaaaaaaaaa')|replace('a', 'aaaaaaaaaa') %}" for _ in range(100)),
    "{{ traits.long|urlencode|replace('', traits.long) }}",
    "{{ traits.long + 1 }}",
    "{{ 1 / score }}",
    "{{ score > 'a' }}",
]


@pytest.mark.parametrize("source", BOUNDED, ids=range(len(BOUNDED)))
def test_bounded_when_rendered(source: str) -> None:
    made = compile_template(source, default_locale="ja")
    with pytest.raises(RenderError):
        made({**LONG, "score": 0})


def test_a_loop_runs_over_a_hundred_items_at_most() -> None:
    assert render("{% for a in traits.list %}x{% endfor %}", LONG) == "x" * 100


def test_the_longest_content_is_allowed() -> None:
    assert len(render("{{ traits.long }}{{ traits.rest }}", {"traits": {"long": "a" * MAX_TEXT}})) == MAX_TEXT


EVIL = "<img src=x onerror=alert(1)>\"'&"
SHOWN = "&lt;img src=x onerror=alert(1)&gt;&#34;&#39;&amp;"


@pytest.mark.parametrize(
    "source",
    [
        "{{ traits.name }}",
        "{{ traits['name'] }}",
        "{{ visitor.traits.name }}",
        "{{ traits.name|default('you') }}",
        "{{ traits.none|default(traits.name) }}",
        "{{ traits.name|e }}",
        "{{ traits.name|trim }}",
        "{{ traits.name|replace('zzz', '') }}",
        "{{ [traits.name]|join(', ') }}",
        "{{ [traits.name]|first }}",
        "{% for name in [traits.name] %}{{ name }}{% endfor %}",
        "{% set a = traits.name %}{{ a }}",
        "{{ traits.name if score else '' }}",
        "{% for key, value in traits|items %}{{ value }}{% endfor %}",
    ],
)
def test_what_a_visitor_supplied_is_escaped(source: str) -> None:
    assert (
        render(source, {"traits": {"name": EVIL}, "visitor": {"traits": {"name": EVIL}}, "score": 1}) == SHOWN
    )


def test_escaped_text_cannot_be_turned_back_into_markup() -> None:
    shown = render("{{ traits.name|e|replace('&lt;', '<') }}", {"traits": {"name": "<b>"}})
    assert "<" not in shown


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("https://example.com/?a=1", "https://example.com/?a=1"),
        ("/pricing", "/pricing"),
        ("pricing.html?x=a:b", "pricing.html?x=a:b"),
        ("mailto:a@example.com", "mailto:a@example.com"),
        ("javascript:alert(1)", ""),
        (" java\nscript:alert(1)", ""),
        ("\x01javascript:alert(1)", ""),
        ("data:text/html,x", ""),
        ("vbscript:x", ""),
    ],
)
def test_links_lead_to_pages_only(address: str, shown: str) -> None:
    assert render('<a href="{{ traits.to|url }}">', {"traits": {"to": address}}) == f'<a href="{shown}">'


VISITOR = {
    "traits": {"name": "花子", "items": "own", "empty": None},
    "topics": {"pricing": 3, "cases": 1},
    "audiences": ["returning", "keen"],
    "score": 1234.0,
    "page": {"engaged_s": 12.5},
    "site": {"name": "Acme"},
}
RENDERED = [
    ("Hello {{ traits.name|default('you') }}", "Hello 花子"),
    ("Hello {{ traits.nobody|default('you') }}", "Hello you"),
    ("Hello {{ traits.empty|default('you') }}", "Hello you"),
    ("[{{ traits.a.b.c }}{{ utm.source }}{{ traits.empty }}]", "[]"),
    ("{{ traits.items }}{{ traits.keys }}", "own"),
    ("{{ score }} {{ score|number }} {{ page.engaged_s|round }} {{ page.engaged_s }}", "1234 1,234 12 12.5"),
    ("{{ topics.pricing + topics.nothing }}", "3"),
    ("{% if topics.nothing > 2 %}a{% elif topics.pricing >= 3 %}b{% else %}c{% endif %}", "b"),
    ("{% if 'keen' in audiences and score %}yes{% endif %}", "yes"),
    ("{% if intent in ['high', 'warm'] %}yes{% else %}no{% endif %}", "no"),
    ("{% for t, n in topics|items %}{{ loop.index }}.{{ t }}={{ n }} {% endfor %}", "1.pricing=3 2.cases=1 "),
    ("{% for a in traits.nobody %}x{% else %}none{% endfor %}", "none"),
    (
        "{{ audiences|join(', ') }} {{ audiences|length }} {{ audiences|first }} {{ audiences[1] }}",
        "returning, keen 2 returning keen",
    ),
    ("{{ 'a long sentence about it'|truncate(10) }}", "a long…"),
    ("{{ 'abc'|upper }}{{ 'ABC'|lower }}{{ 'ab cd'|title }}{{ ' x '|trim }}", "ABCabcAb Cdx"),
    ("{{ site.name }}", "Acme"),
    ("{{ '12'|int + 1 }} {{ 'x'|int }} {{ '1.5'|float }}", "13 0 1.5"),
    ("{% set n = score // 1000 %}{{ n }}", "1"),
    ("{{ traits.nobody is defined }}", "False"),
]


@pytest.mark.parametrize(("source", "shown"), RENDERED)
def test_rendering(source: str, shown: str) -> None:
    assert render(source, VISITOR) == shown


@pytest.mark.parametrize(
    ("locale", "shown"),
    [("ja", "こんにちは"), ("en", "Hello"), ("en-US", "Hi"), ("en-GB", "Hello"), ("fr", "こんにちは")],
)
def test_the_locale_chooses_the_template(locale: str, shown: str) -> None:
    source = {"en": "Hello", "en-US": "Hi", "ja": "こんにちは"}
    assert render(source, {"locale": locale}) == shown


def test_without_the_default_locale_the_first_template_is_shown() -> None:
    assert compile_template({"en": "Hello"}, default_locale="ja")({"locale": "ja"}) == "Hello"


def test_no_template_at_all_is_refused() -> None:
    with pytest.raises(TemplateError):
        compile_template({}, default_locale="ja")
