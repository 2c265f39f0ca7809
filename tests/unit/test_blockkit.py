from __future__ import annotations

from typing import Any

import pytest

from server.blockkit import render
from server.mrkdwn import mrkdwn, plain, safe_url

MRKDWN = [
    ("plain", "plain"),
    ("*bold* _it_ ~no~ `code`", "<strong>bold</strong> <em>it</em> <del>no</del> <code>code</code>"),
    ("*スコア 53（高）* = 53", "<strong>スコア 53（高）</strong> = 53"),
    ("a*b*c snake_case_name 2 * 3 * 4", "a*b*c snake_case_name 2 * 3 * 4"),
    ("*_both_*", "<strong><em>both</em></strong>"),
    ("`*not bold*`", "<code>*not bold*</code>"),
    ("one\ntwo", "one<br>two"),
    ("```a\n*b*```", "<pre>a\n*b*</pre>"),
    ("&gt; quoted\nnot", "<blockquote>quoted</blockquote>not"),
    (":fire: :no_such:", "🔥 :no_such:"),
    ("&lt;b&gt; &amp;amp; &quot;", "&lt;b&gt; &amp;amp; &amp;quot;"),
    ("<b>x</b>", "bx/b"),
    ("a < b & \"c\" 'd'", "a &lt; b &amp; &#34;c&#34; &#39;d&#39;"),
    ("<!here> <!channel>", '<span class="bk-mention">@here</span> <span class="bk-mention">@channel</span>'),
    ("<#C1|sales>", '<span class="bk-mention">#sales</span>'),
    ("<!date^1^{date}|today>", "today"),
    ("<javascript:alert(1)|bank>", "bank"),
    ("<data:text/html,x>", "data:text/html,x"),
    ("\ue0000\ue001", "0"),
]
LINK = '<a href="{}" target="_blank" rel="noopener noreferrer">{}</a>'
LINKS = [
    ("<https://e.test/?a=1&amp;b=2|two words>", LINK.format("https://e.test/?a=1&amp;b=2", "two words")),
    ("<https://e.test/a_b_c>", LINK.format("https://e.test/a_b_c", "https://e.test/a_b_c")),
    ("<mailto:a@e.test|a@e.test>", LINK.format("mailto:a@e.test", "a@e.test")),
    ('<https://e.test/"onmouseover="x|y>', LINK.format("https://e.test/&#34;onmouseover=&#34;x", "y")),
    ("*<https://e.test|bold link>*", f"<strong>{LINK.format('https://e.test', 'bold link')}</strong>"),
    ("<https://e.test|&lt;img src=x&gt;>", LINK.format("https://e.test", "&lt;img src=x&gt;")),
]


@pytest.mark.parametrize(("text", "html"), MRKDWN + LINKS)
def test_mrkdwn(text: str, html: str) -> None:
    assert str(mrkdwn(text)) == html


@pytest.mark.parametrize(
    ("text", "html"),
    [("*x* <b>", "*x* &lt;b&gt;"), ("&lt;i&gt;", "&lt;i&gt;"), (":bell: a\nb", "🔔 a<br>b")],
)
def test_plain_text_has_no_formatting(text: str, html: str) -> None:
    assert str(plain(text)) == html


@pytest.mark.parametrize(
    ("url", "kept"),
    [
        ("https://e.test/x", True),
        ("HTTP://e.test", True),
        ("mailto:a@e.test", True),
        ("javascript:alert(1)", False),
        ("java\nscript:alert(1)", False),
        (" \x01javascript:x", False),
        ("data:text/html,x", False),
        ("//e.test", False),
        ("http://[bad", False),
        ("", False),
    ],
)
def test_only_harmless_links_stay(url: str, kept: bool) -> None:
    assert bool(safe_url(url)) is kept


EVIL = "<script>alert(1)</script>\"'&lt;img src=x onerror=y&gt;"


def plain_text(text: str) -> dict[str, Any]:
    return {"type": "plain_text", "text": text}


def marked(text: str) -> dict[str, Any]:
    return {"type": "mrkdwn", "text": text}


BLOCKS: list[dict[str, Any]] = [
    {"type": "header", "text": plain_text(EVIL)},
    {"type": "section", "text": marked(EVIL), "fields": [marked(EVIL), plain_text(EVIL)]},
    {"type": "section", "text": marked("x"), "accessory": {"type": "button", "text": plain_text(EVIL)}},
    {"type": "context", "elements": [marked(EVIL), {"type": "image", "alt_text": EVIL, "image_url": EVIL}]},
    {"type": "image", "alt_text": EVIL, "image_url": "https://e.test/x.png", "title": plain_text(EVIL)},
    {
        "type": "actions",
        "elements": [
            {"type": "button", "text": plain_text(EVIL), "url": f"https://e.test/{EVIL}", "style": EVIL},
            {"type": "button", "text": plain_text(EVIL), "url": "javascript:alert(1)"},
        ],
    },
]


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block["type"])
def test_nothing_supplied_becomes_markup(block: dict[str, Any]) -> None:
    html = str(render([block])).lower()
    assert "<script" not in html
    assert "<img" not in html
    assert "javascript:" not in html
    assert 'onerror="' not in html
    for tag in html.split("<")[1:]:
        assert "alert(1)" not in tag.split(">")[0] or 'href="https://e.test/' in tag


def test_every_kind_is_drawn() -> None:
    html = str(
        render(
            [
                {"type": "header", "text": plain_text("Hello")},
                {"type": "section", "text": marked("*a*"), "fields": [marked("f1"), marked("f2")]},
                {"type": "divider"},
                {"type": "context", "elements": [marked("small")]},
                {
                    "type": "actions",
                    "elements": [
                        {
                            "type": "button",
                            "text": plain_text("Open"),
                            "url": "https://e.test",
                            "style": "primary",
                        },
                        {"type": "button", "text": plain_text("Claim"), "action_id": "claim"},
                        {"type": "static_select", "placeholder": plain_text("Snooze"), "options": []},
                    ],
                },
            ]
        )
    )
    for part in (
        '<p class="bk-header">Hello</p>',
        '<div class="bk-text"><strong>a</strong></div>',
        '<div class="bk-field">f1</div><div class="bk-field">f2</div>',
        '<hr class="bk-divider">',
        "<span>small</span>",
        '<a class="bk-button bk-primary" href="https://e.test"',
        'type="button" disabled>Claim</button>',
        'type="button" disabled>Snooze</button>',
    ):
        assert part in html


@pytest.mark.parametrize(
    "blocks",
    [
        [],
        [{}],
        [None],
        [{"type": "video"}],
        [{"type": ["header"]}],
        [{"type": "section", "fields": "x", "text": 7}],
        [{"type": "actions", "elements": [None, {"type": "datepicker"}]}],
    ],
)
def test_a_strange_block_shows_nothing_and_never_raises(blocks: list[Any]) -> None:
    assert "<a" not in str(render(blocks))


def test_with_an_address_for_clicks_buttons_are_a_form() -> None:
    option = {"text": plain_text("1 h"), "value": '1h"><script>'}
    row = {
        "type": "actions",
        "block_id": 'kizashi.a1"><script>',
        "elements": [
            {"type": "button", "text": plain_text("Claim"), "action_id": "claim", "style": "primary"},
            {
                "type": "static_select",
                "placeholder": plain_text("Snooze"),
                "action_id": "s",
                "options": [option],
            },
            {"type": "button", "text": plain_text("Open"), "action_id": "open", "url": "https://e.test"},
        ],
    }
    html = str(render([row], "/click"))
    assert '<form class="bk-actions" method="post" action="/click">' in html
    assert '<button class="bk-button bk-primary" name="click" value="claim">Claim</button>' in html
    assert 'value="s:1h&#34;&gt;&lt;script&gt;">1 h</button>' in html
    assert '<a class="bk-button bk-default" href="https://e.test"' in html
    assert "<script" not in html
    assert "disabled" not in html
