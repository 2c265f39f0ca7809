"""What content may hold that is not written by developers: text, links, pictures, layout. Nothing that runs.

nh3 (Ammonia, on html5ever) reads HTML as browsers do and writes it anew from the lists below, so that whatever is
not listed is gone. https://nh3.readthedocs.io
"""

from __future__ import annotations

import nh3

from personalization.filters import MAX_TEXT, RenderError

TAGS = (
    frozenset({"a", "abbr", "b", "bdi", "bdo", "br", "cite", "code", "data", "del", "dfn", "em", "i"})
    | frozenset({"ins", "kbd", "mark", "q", "rp", "rt", "ruby", "s", "samp", "small", "span", "strong"})
    | frozenset({"sub", "sup", "time", "u", "var", "wbr"})
    | frozenset({"address", "article", "aside", "blockquote", "button", "details", "div", "figcaption"})
    | frozenset({"figure", "footer", "header", "hgroup", "hr", "main", "nav", "p", "pre", "section"})
    | frozenset({"summary"})
    | frozenset({"dd", "dl", "dt", "h1", "h2", "h3", "h4", "h5", "h6", "li", "ol", "ul"})
    | frozenset({"img", "picture", "source", "video"})
    | frozenset({"caption", "col", "colgroup", "table", "tbody", "td", "tfoot", "th", "thead", "tr"})
)
#: These go with all that is in them; of other tags that are not listed only the tag goes.
GONE = frozenset(
    {"iframe", "math", "noembed", "noframes", "noscript", "object", "plaintext", "script"}
) | frozenset({"select", "style", "svg", "template", "textarea", "title", "xmp"})
ATTRIBUTES: dict[str, frozenset[str]] = {
    "*": frozenset({"class", "dir", "hidden", "lang", "role", "title"}),
    "a": frozenset({"download", "href", "hreflang", "rel"}),
    "blockquote": frozenset({"cite"}),
    "col": frozenset({"span"}),
    "colgroup": frozenset({"span"}),
    "data": frozenset({"value"}),
    "del": frozenset({"cite", "datetime"}),
    "details": frozenset({"open"}),
    "img": frozenset({"alt", "decoding", "height", "loading", "sizes", "src", "srcset", "width"}),
    "ins": frozenset({"cite", "datetime"}),
    "li": frozenset({"value"}),
    "ol": frozenset({"reversed", "start", "type"}),
    "q": frozenset({"cite"}),
    "source": frozenset({"height", "media", "sizes", "src", "srcset", "type", "width"}),
    "td": frozenset({"colspan", "rowspan"}),
    "th": frozenset({"abbr", "colspan", "rowspan", "scope"}),
    "time": frozenset({"datetime"}),
    "video": frozenset(
        {
            "autoplay",
            "controls",
            "height",
            "loop",
            "muted",
            "playsinline",
            "poster",
            "preload",
            "src",
            "width",
        }
    ),
}
PREFIXES = frozenset({"aria-", "data-"})
#: Attributes of which some values stay. No `_parent` and `_top`: a block has no say in the window around the page.
VALUES: dict[str, dict[str, frozenset[str]]] = {"a": {"target": frozenset({"_blank", "_self"})}}
#: A button in a form of the page's would send it.
FORCED: dict[str, dict[str, str]] = {"button": {"type": "button"}}
SCHEMES = frozenset({"https", "mailto", "tel"})
#: Opening and closing ones together: reading HTML takes time by the number of tags times how deep they nest.
MAX_TAGS = 1_000

# No `rel` is added: browsers open `_blank` as `noopener` by themselves, and `noreferrer` would hide from the
# site's own pages where their visitors come from.
_CLEANER = nh3.Cleaner(
    tags=set(TAGS),
    clean_content_tags=set(GONE),
    attributes={tag: set(names) for tag, names in ATTRIBUTES.items()},
    generic_attribute_prefixes=set(PREFIXES),
    tag_attribute_values={
        tag: {name: set(those) for name, those in of.items()} for tag, of in VALUES.items()
    },
    set_tag_attribute_values=FORCED,
    url_schemes=set(SCHEMES),
    link_rel=None,
)


def sanitized(html: str) -> str:
    """The HTML without what may not stay. Raises RenderError where it is too much to clean."""
    if html.count("<") > MAX_TAGS:
        raise RenderError(f"The content has more than {MAX_TAGS:,} tags.")
    clean = _CLEANER.clean(html)
    if len(clean) > MAX_TEXT:
        raise RenderError("The content is too long.")
    return clean
