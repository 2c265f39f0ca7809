"""Templates that are filled in without Jinja print what Jinja prints."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from personalization.fill import MAX_VALUES, fillable
from personalization.filters import MAX_TEXT, RenderError
from personalization.sandbox import _ESCAPING, _PLAIN, _harmless, _text, by_jinja, parse
from personalization.templates import compile_template

PATHS = ("traits.name", "traits['name']", 'traits["a b"]', "traits.deep.deeper", "visitor.traits.name",
         "page_count", "score", "audiences", "country", "locale", "page.url", "events.download.count", "intent",
         "site.name", "visitor['page'].topic", "traits.deep['name'].x")  # fmt: skip
FALLBACKS = ("", "'friend'", "\"a < 'b'\"", "0", "2.0", "1.5", "none", "true", "false")
TEXTS = st.text(alphabet=st.sampled_from(list("ab<>&'\"{ \n%é料🙂")), max_size=6).map(
    lambda text: text.replace("{", "{ ")
)
SCALARS = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), TEXTS, st.just("x" * MAX_TEXT))
VALUES = st.recursive(
    SCALARS, lambda one: st.lists(one, max_size=3) | st.dictionaries(st.sampled_from("ab"), one, max_size=2)
)
CONTEXTS = st.fixed_dictionaries(
    {},
    optional={
        "traits": VALUES | st.fixed_dictionaries({}, optional={"name": VALUES, "a b": VALUES, "deep": VALUES}),
        "visitor": st.fixed_dictionaries({}, optional={"traits": VALUES, "page": VALUES}),
        "page_count": SCALARS, "score": SCALARS, "audiences": VALUES, "country": SCALARS, "locale": SCALARS,
        "page": VALUES, "events": VALUES, "intent": VALUES, "site": VALUES,
    },
)  # fmt: skip


@st.composite
def sources(draw: st.DrawFn) -> str:
    """A template of texts and values."""
    source = draw(TEXTS)
    for _ in range(draw(st.integers(1, 4))):
        fallback = draw(st.sampled_from(FALLBACKS))
        also = draw(st.sampled_from(("", ", true", ", false", ", 0"))) if fallback else ""
        filled = f" | {draw(st.sampled_from(('default', 'd')))}({fallback}{also})" if fallback else ""
        source += f"{{{{ {draw(st.sampled_from(PATHS))}{filled} }}}}{draw(TEXTS)}"
    return source


def outcome(render: Callable[[Mapping[str, Any]], str], context: Mapping[str, Any]) -> str:
    """The text, or what kept it from being printed."""
    try:
        return render(context)
    except (RenderError, ValueError) as error:
        return type(error).__name__


@pytest.mark.parametrize(
    ("environment", "printed"), [(_ESCAPING, _harmless), (_PLAIN, _text)], ids=["html", "text"]
)
@given(source=sources(), context=CONTEXTS)
@settings(max_examples=400, deadline=None)
def test_what_is_filled_in_is_what_jinja_prints(
    environment: Any, printed: Callable[[Any], str], source: str, context: Mapping[str, Any]
) -> None:
    tree = parse(source)
    tree.set_environment(environment)
    filled = fillable(tree, printed)
    assert filled is not None
    assert outcome(filled, context) == outcome(by_jinja(tree, environment), context)


@pytest.mark.parametrize(
    "source",
    [
        "{% if score %}a{% endif %}",
        "{% for one in audiences %}{{ one }}{% endfor %}",
        "{% set a = score %}{{ a }}",
        "{{ traits.name | upper }}",
        "{{ traits.name | default('a') | upper }}",
        "{{ traits.name | default(score) }}",
        "{{ traits.name | default('a', boolean=true) }}",
        "{{ traits.name | default('a', true, true) }}",
        "{{ audiences[0] }}",
        "{{ score + 1 }}",
        "{{ 'a' }}",
        "{{ traits.name if score else 'a' }}",
        "{{ score }}" * (MAX_VALUES + 1),
    ],
)
def test_what_does_more_than_print_values_is_left_to_jinja(source: str) -> None:
    assert fillable(parse(source), str) is None


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("<b>\"Tom\" & 'Ann'</b>", "&lt;b&gt;&#34;Tom&#34; &amp; &#39;Ann&#39;&lt;/b&gt;"),
        (["<"], "[&#39;&lt;&#39;]"),
        (2.0, "2"),
        (True, "True"),
        (None, ""),
    ],
)
def test_values_are_harmless_in_html(value: Any, text: str) -> None:
    render = compile_template("<p>{{ traits.name }}</p>", default_locale="en")
    assert render({"traits": {"name": value}}) == f"<p>{text}</p>"


def test_what_cannot_be_written_is_a_render_error() -> None:
    render = compile_template("{{ traits.name }}", default_locale="en")
    for value in (10**5_000, "x" * (MAX_TEXT + 1)):
        with pytest.raises(RenderError):
            render({"traits": {"name": value}})
