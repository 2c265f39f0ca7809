"""What a salesperson sees, and that nothing a visitor supplied does anything but show."""

from __future__ import annotations

import json
import re
from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace
from slack_sdk.models.blocks import Block

from alerts.digest import digest_message
from alerts.escape import mrkdwn, plain
from alerts.messages import slack_message
from alerts.model import Alert, Part, SeenPage
from alerts.points import shown_parts, shown_score


def visitor_url(site: str, visitor: str) -> str:
    return f"http://localhost:8080/visitors/{site}/{visitor}"


OUR_LINK = re.compile(r"<http://localhost:8080/visitors/demo/v-9f8e7d6c5b4a\|[^<>]*>")
INVISIBLE = re.compile("[\x00-\x08\x0b-\x1f\x7f\u202a-\u202e\u2066-\u2069\u200e\u200f\ufeff\ud800-\udfff]")
ALERT = Alert(
    id="0123456789abcdef0123",
    site="demo",
    site_name="Acme ERP",
    rule="whitepaper",
    visitor="v-9f8e7d6c5b4a",
    channel="#hot-leads",
    at=1_763_780_645_000,
    event="e1",
    cause="whitepaper_download",
    traits={"name": "Taro Yamada", "title": "President", "email": "taro_yamada@acme.jp", "phone": "03-1"},
    company="Acme & Sons",
    score=50,
    intent="high",
    parts=(
        Part(rule="whitepaper", points=30),
        Part(rule="pricing-dwell", points=15),
        Part(rule="page-view", points=5, count=5),
    ),
    pages=(
        SeenPage(path="/", title="Top", engaged_ms=4_000),
        SeenPage(path="/pricing", title="Pricing", engaged_ms=80_000),
    ),
    topics={"pricing": 3, "case study": 1},
    session_count=3,
    page_count=12,
    engaged_ms=480_000,
    source={"referrer_class": "search", "referrer_host": "google.com", "utm_campaign": "spring"},
    locale="en",
    timezone="Asia/Tokyo",
    instruction="Call within 5 minutes",
    why="Downloaded a whitepaper",
)


def texts(message: dict[str, Any]) -> list[dict[str, Any]]:
    """Every text object of a message."""
    found = []
    for block in message["blocks"]:
        found += [block["text"]] if "text" in block else []
        found += block.get("fields", []) + block.get("elements", [])
    return found


def shown(message: dict[str, Any]) -> str:
    return "\n".join(text["text"] for text in texts(message))


def check_blocks(message: dict[str, Any]) -> None:
    """Slack's limits, by Slack's own models, and those its models do not know."""
    assert 1 <= len(message["blocks"]) <= 50
    for block in message["blocks"]:
        parsed = Block.parse(json.loads(json.dumps(block)))
        assert parsed is not None
        parsed.validate_json()
        assert parsed.to_dict() == block
    for text in texts(message):
        assert 1 <= len(text["text"]) <= 3000
        assert text["type"] == "plain_text" or text["verbatim"] is True
    for block in message["blocks"]:
        assert all(len(field["text"]) <= 2000 for field in block.get("fields", []))
    assert message["unfurl_links"] is False
    assert message["unfurl_media"] is False


@pytest.mark.parametrize(
    ("locale", "expected"),
    [
        (
            "en",
            [
                "Taro Yamada · Acme &amp; Sons",
                "*Downloaded a whitepaper* — Nov 22, 12:04",
                "*Score 50 (high)* = whitepaper 30 + pricing dwell 15 + page view 5 (×5)",
                "*Next:* Call within 5 minutes",
                "*Title*\nPresident",
                "*E-mail*\ntaro_yamada@acme.jp",
                "*Interests*\npricing ×3 · case study ×1",
                "*Visit*\nNo. 3 · 12 pages · 8 min",
                "*Came from*\nsearch (google.com) · campaign spring",
                "• Pricing (/pricing) — 1 min 20 s\n• Top (/) — 4 s",
                "<http://localhost:8080/visitors/demo/v-9f8e7d6c5b4a|Open this visitor>",
            ],
        ),
        (
            "ja",
            [
                "Taro Yamada 様 · Acme &amp; Sons",
                "— 11月22日 12:04",
                "*スコア 50（高）* = whitepaper 30 + pricing dwell 15 + page view 5 (×5)",
                "*次にすること:* Call within 5 minutes",
                "*役職*\nPresident",
                "*関心*\npricing ×3 · case study ×1",
                "*訪問*\n3回目 · 12ページ · 8分",
                "*流入元*\n検索 (google.com) · キャンペーン spring",
                "• Pricing (/pricing) — 1分20秒",
                "<http://localhost:8080/visitors/demo/v-9f8e7d6c5b4a|この訪問者を開く>",
            ],
        ),
    ],
)
def test_what_an_alert_says(locale: str, expected: list[str]) -> None:
    message = slack_message(replace(ALERT, locale=locale), visitor_url=visitor_url)
    check_blocks(message)
    assert [line for line in expected if line not in shown(message)] == []
    assert message["metadata"] == {"event_type": "kizashi_alert", "event_payload": {"id": ALERT.id}}


def test_the_fallback_says_who_what_and_how_hot() -> None:
    text = slack_message(ALERT, visitor_url=visitor_url)["text"]
    assert text == "Taro Yamada · Acme &amp; Sons — Downloaded a whitepaper. Score 50 (high)"


@pytest.mark.parametrize(
    ("traits", "company", "header"),
    [
        ({}, "", "Anonymous visitor v-9f8e7d"),
        ({}, "acme.jp", "Anonymous visitor v-9f8e7d · acme.jp"),
        ({"firstName": "Taro", "lastName": "Yamada"}, "", "Taro Yamada"),
        ({"email": "t@acme.jp"}, "", "t@acme.jp"),
        ({"name": 7, "email": None}, "", "Anonymous visitor v-9f8e7d"),
    ],
)
def test_who(traits: dict[str, Any], company: str, header: str) -> None:
    message = slack_message(replace(ALERT, traits=traits, company=company), visitor_url=visitor_url)
    assert message["blocks"][0] == {
        "type": "header",
        "text": {"type": "plain_text", "text": header, "emoji": False},
    }


def test_a_bare_alert_is_still_a_valid_message() -> None:
    bare = Alert(
        id="x", site="s", site_name="", rule="r", visitor="v", channel="#c", at=0, event="e", cause="c",
        timezone="No/Such", why="Something",
    )  # fmt: skip
    message = slack_message(bare, visitor_url=visitor_url)
    check_blocks(message)
    assert "Something" in message["text"]
    assert message["metadata"]["event_payload"] == {"id": "x"}


def test_a_possible_duplicate_says_so_everywhere() -> None:
    message = slack_message(ALERT, visitor_url=visitor_url, duplicate=True)
    check_blocks(message)
    assert message["text"].startswith("[possible duplicate] ")
    assert "Possible duplicate" in message["blocks"][0]["elements"][0]["text"]


BAD = [
    "<!channel>",
    "<!here|here>",
    "<@U12345>",
    "<#C1>",
    "<https://evil.example|bank>",
    "<!date^1392734382^{date}|x>",
    "*bold* _it_ ~gone~ `code` ```block```",
    "*",
    "&lt;!channel&gt;",
    "a\n> quoted\n• fake line\r\n*Score 99*",
    "\u202egnp.exe\u2066x\u2069\u200f",
    "nul\x00 bell\x07 surrogate\ud800",
    ":rotating_light: :fire:",
    "zero\u200bwidth\ufeff",
    "x" * 10_000,
    "<" * 10_000,
    "😀" * 5_000,
    "*_~`" * 3_000,
    " \t\n ",
]


def hostile(text: str) -> Alert:
    return replace(
        ALERT,
        traits=dict.fromkeys(("name", "title", "email", "phone"), text),
        company=text,
        site_name=text,
        props={"title": text},
        parts=(*(Part(rule=f"{text}{i}", points=i) for i in range(1, 30)), Part(rule="x", points=-385)),
        pages=tuple(SeenPage(path=text, title=text, topic=text) for _ in range(20)),
        topics={text: 1, text[:50]: 2},
        source=dict.fromkeys(
            ("utm_source", "utm_medium", "utm_campaign", "referrer_host", "referrer_class", "landing_path"),
            text,
        ),
        instruction=text,
        why=text,
        intent=text,
    )


@pytest.mark.parametrize("text", BAD, ids=range(len(BAD)))
@pytest.mark.parametrize("locale", ["en", "ja"])
def test_visitor_text_only_shows(text: str, locale: str) -> None:
    for message in (
        slack_message(replace(hostile(text), locale=locale), visitor_url=visitor_url),
        digest_message(
            [replace(hostile(text), locale=locale)] * 12, total=12, visitor_url=visitor_url, stale_ms=900_000
        ),
    ):
        check_blocks(message)
        parsed = [message["text"], *(one["text"] for one in texts(message) if one["type"] == "mrkdwn")]
        for one in [*parsed, *(one["text"] for one in texts(message))]:
            assert "<" not in OUR_LINK.sub("", one)
            assert INVISIBLE.search(one) is None
        assert "bold* " not in "".join(parsed)
        assert ":fire:" not in "".join(parsed)
        json.dumps(message).encode("utf-8")


def test_a_line_break_cannot_forge_a_line() -> None:
    message = slack_message(replace(ALERT, why="Hello\n*Score 99 (high)*"), visitor_url=visitor_url)
    first = message["blocks"][1]["text"]["text"].split("\n")
    assert len(first) == 3
    assert first[1].startswith("*Score 50 (high)*")


@pytest.mark.parametrize(
    ("text", "literal"),
    [
        ("taro_yamada@acme.jp", "taro_yamada@acme.jp"),
        ("a*b*c", "a*b*c"),
        ("<!channel> & <@U1>", "&lt;!channel&gt; &amp; &lt;@U1&gt;"),
        ("_it_", "\u200b_\u200bit\u200b_\u200b"),
        ("12:30:45", "12:30:45"),
        ("Zoë 山田 👩‍💻", "Zoë 山田 👩‍💻"),
    ],
)
def test_mrkdwn(text: str, literal: str) -> None:
    assert mrkdwn(text, 100) == literal


@pytest.mark.parametrize(
    ("text", "limit", "cut"),
    [("abcdef", 6, "abcdef"), ("abcdefg", 6, "abcde…"), ("<<<<", 10, "&lt;&lt;…"), ("ab cdefg", 4, "ab…")],
)
def test_cut(text: str, limit: int, cut: str) -> None:
    assert plain(text, limit) == cut


@pytest.mark.parametrize(
    ("points", "score"),
    [
        ([30, 15, 5], 50),
        ([1 / 3, 1 / 3, 1 / 3], 1),
        ([33.33, 33.33, 33.34], 100),
        ([80, -30], 50),
        ([0.04] * 10, 0.4),
        ([12.345678, 7.654321, -3.3], 16.699999),
        (list(range(1, 21)), 210),
        ([], 0),
    ],
)
def test_shown_parts_sum_to_the_shown_score(points: list[float], score: float) -> None:
    parts = [Part(rule=f"r{i}", points=value) for i, value in enumerate(points)]
    addends = shown_parts(parts, score)
    assert sum((part.points for part in addends), Decimal(0)) == Decimal(shown_score(score))
    assert len(addends) <= 8
    assert all(part.points for part in addends if part.rule is not None)


def test_a_digest_names_the_highest_scores_and_counts_the_rest() -> None:
    alerts = [replace(ALERT, id=f"a{i}", traits={"name": f"N{i}"}, score=i) for i in range(14)]
    message = digest_message(alerts, total=14, visitor_url=visitor_url, stale_ms=900_000, duplicate=True)
    check_blocks(message)
    body = shown(message)
    assert "14 alerts arrived late" in body
    assert re.findall(r"\|N(\d+) ", body) == [str(i) for i in range(13, 3, -1)]
    assert "and 4 more" in body
    assert message["text"].startswith("[possible duplicate] 14 alerts")
