"""What a salesperson sees, and that nothing a visitor supplied does anything but show."""

from __future__ import annotations

import json
import re
from decimal import Decimal
from typing import Any, get_args

import pytest
from msgspec.structs import replace
from slack_sdk.models.blocks import Block

from alerts.blocks import TOTAL_LIMIT, length
from alerts.digest import NAMED_LATE, ROOM_LATER, SHOWN, Cause, digest_message, lines
from alerts.escape import mrkdwn, plain
from alerts.messages import follow_up, slack_message
from alerts.model import Alert, Escalation, Part, PastVisit, SeenPage
from alerts.points import shown_parts, shown_score
from alerts.standing import Standing, Unfit


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
        found += block.get("fields", [])
        found += [
            one if one["type"] in {"mrkdwn", "plain_text"} else label(one)
            for one in block.get("elements", [])
        ]
    return found


def label(element: dict[str, Any]) -> dict[str, Any]:
    """What a button or a menu says."""
    said: dict[str, Any] = element.get("text") or element["placeholder"]
    return said


def shown(message: dict[str, Any]) -> str:
    return "\n".join(text["text"] for text in texts(message))


def check_blocks(message: dict[str, Any]) -> None:
    """Slack's limits, by Slack's own models, and those its models do not know."""
    assert 1 <= len(message["blocks"]) <= 50
    parsed = Block.parse_all(json.loads(json.dumps(message["blocks"])))
    for one, block in zip(parsed, message["blocks"], strict=True):
        one.validate_json()
        assert one.to_dict() == block
    assert length(message["blocks"]) <= TOTAL_LIMIT
    assert len(message["text"]) <= 3000
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
        enquiry=f"{text}\n{text}",
        visits=(PastVisit(at=1, source=dict.fromkeys(("utm_campaign", "referrer_host"), text)),) * 3,
    )


@pytest.mark.parametrize("text", BAD, ids=range(len(BAD)))
@pytest.mark.parametrize("locale", ["en", "ja"])
def test_visitor_text_only_shows(text: str, locale: str) -> None:
    for message in (
        slack_message(replace(hostile(text), locale=locale), visitor_url=visitor_url),
        slack_message(
            replace(hostile(text), locale=locale),
            visitor_url=visitor_url,
            before=[replace(hostile(text), id=f"b{i}", event=f"e{i}", locale=locale) for i in range(20)],
        ),
        follow_up([replace(hostile(text), locale=locale)] * 12, visitor_url=visitor_url),
        follow_up([replace(hostile(text), locale=locale)] * 20),
        *(
            digest_message(
                [replace(hostile(text), id=f"a{i}", locale=locale) for i in range(12)],
                visitor_url=visitor_url,
                cause=cause,
                stale_ms=900_000,
                standings=standings,
            ).message
            for cause in get_args(Cause)
            for standings in (None, {"a1": Standing(owner="U1")})
        ),
    ):
        check_blocks(message)
        parsed = [message["text"], *(one["text"] for one in texts(message) if one["type"] == "mrkdwn")]
        for one in [*parsed, *(one["text"] for one in texts(message))]:
            assert "<" not in OUR_LINK.sub("", one).replace("<@U1>", "")
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


def some_alerts(count: int, **changes: Any) -> list[Alert]:
    return [
        replace(ALERT, id=f"a{i}", visitor=f"v{i}", traits={"name": f"N{i}"}, score=i, **changes)
        for i in range(count)
    ]


def test_a_digest_names_the_highest_scores_first_and_everybody_else() -> None:
    digest = digest_message(
        some_alerts(14), visitor_url=visitor_url, cause="late", stale_ms=900_000, duplicate=True
    )
    message = digest.message
    check_blocks(message)
    body = shown(message)
    assert "14 alerts arrived late" in body
    assert re.findall(r"\|N(\d+) ", body) == [str(i) for i in range(13, 3, -1)]
    assert re.findall(r"• N(\d+) ", body) == ["3", "2", "1", "0"]
    assert (digest.named, digest.counted) == ({f"a{i}" for i in range(14)}, set())
    assert message["text"].startswith("[possible duplicate] 14 alerts")


@pytest.mark.parametrize(
    ("standing", "button", "said"),
    [
        (Standing(), "claim", ""),
        (Standing(owner="U0123ABCD"), "release", " · :raised_hand: <@U0123ABCD>"),
        (Standing(unfit=Unfit(by="U3", at=ALERT.at)), None, " · :no_entry_sign: <@U3>"),
    ],
)
@pytest.mark.parametrize("locale", ["en", "ja"])
def test_each_line_of_a_digest_ends_with_its_button(
    standing: Standing, button: str | None, said: str, locale: str
) -> None:
    alerts = some_alerts(
        200, locale=locale, why="Downloaded a whitepaper: a guide with a rather long name" * 2
    )
    options: Any = {"visitor_url": visitor_url, "cause": "budget", "stale_ms": 1}
    told = digest_message(alerts, standings={}, **options).told
    check_blocks(digest_message(alerts, standings={}, **options).message)
    # Drawn again when people have clicked on every line, it still names everybody.
    named = [one for one in alerts if one.id in told]
    again = digest_message(named, standings={one.id: standing for one in named}, room=ROOM_LATER, **options)
    message = again.message
    check_blocks(message)
    assert again.told == told
    rows = [block for block in message["blocks"] if "/visitors/" in str(block)]
    assert [row["text"]["text"].endswith(f" · 12:04{said}") for row in rows] == [True] * 10
    shown = [(row.get("block_id"), row.get("accessory", {}).get("action_id")) for row in rows]
    assert shown == [(f"kizashi.a{n}" if button else None, button) for n in range(199, 189, -1)]
    assert [one.id for one in lines(named)] == [f"a{n}" for n in range(199, 189, -1)]


@pytest.mark.parametrize("standings", [None, {}])
def test_what_one_digest_cannot_name_waits_for_the_next(standings: dict[str, Standing] | None) -> None:
    waiting, digests = some_alerts(1_000), 0
    named: list[str] = []
    while waiting:
        digest = digest_message(
            waiting, visitor_url=visitor_url, cause="budget", stale_ms=1, standings=standings
        )
        message, told = digest.message, digest.told
        check_blocks(message)
        digests += 1
        here = re.findall(r"(?:\||• )N(\d+) ", shown(message))
        assert {f"a{name}" for name in here} == told
        assert f"{len(told)} more alerts" in message["text"]
        named += here
        waiting = [one for one in waiting if one.id not in told]
    assert sorted(map(int, named)) == list(range(1_000))
    assert digests < 10


@pytest.mark.parametrize("standings", [None, {}])
@pytest.mark.parametrize(("locale", "words"), [("en", "And {:,} more"), ("ja", "{:,}件は、通知の一覧に")])
def test_a_backlog_of_old_news_is_one_digest(
    standings: dict[str, Standing] | None, locale: str, words: str
) -> None:
    options: Any = {"visitor_url": visitor_url, "cause": "late", "stale_ms": 900_000}
    alerts = some_alerts(3_000, locale=locale)
    digest = digest_message(alerts, standings=standings, **options)
    check_blocks(digest.message)
    body, lowest = shown(digest.message), 3_000 - len(digest.named)
    assert digest.told == {one.id for one in alerts}
    assert len(digest.named) == SHOWN + NAMED_LATE
    assert digest.named == {f"a{n}" for n in range(lowest, 3_000)}
    assert "3,000" in digest.message["text"]
    assert words.format(lowest) in body
    # Drawn again, it still counts those that it does not name.
    named = [one for one in alerts if one.id in digest.named]
    again = digest_message(named, standings=standings, room=ROOM_LATER, more=lowest, **options)
    assert again.named == digest.named
    assert words.format(lowest) in shown(again.message)
    assert again.message["text"] == digest.message["text"]


def test_an_enquiry_is_named_however_late() -> None:
    waiting = [
        *some_alerts(600, urgent=True),
        *(replace(one, id=f"b{one.id}", visitor=f"b{one.id}") for one in some_alerts(600)),
    ]
    options: Any = {"visitor_url": visitor_url, "cause": "late", "stale_ms": 900_000}
    named, digests = set[str](), 0
    while waiting:
        digest = digest_message(waiting, **options)
        named |= digest.named
        waiting = [one for one in waiting if one.id not in digest.told]
        assert all(one.urgent for one in waiting)
        digests += 1
    assert {f"a{n}" for n in range(600)} <= named
    assert 2 <= digests <= 4


def test_a_digest_names_each_person_once_and_an_enquiry_first() -> None:
    alerts = [*some_alerts(12), replace(some_alerts(1)[0], id="again", at=ALERT.at + 1)]
    alerts.append(replace(ALERT, id="ask", visitor="w", traits={"name": "Asker"}, score=0, urgent=True))
    digest = digest_message(alerts, visitor_url=visitor_url, cause="quiet", stale_ms=1)
    body = shown(digest.message)
    assert len(digest.told) == 14
    assert body.count("N0 ") == 1
    assert body.index("Asker") < body.index("N11 ")


# -- a living message

LATER = replace(
    ALERT, id="b1", event="e2", rule="became-hot", at=ALERT.at + 60_000, why="Entered “high”", score=65
)


def test_one_event_with_two_reasons_says_both() -> None:
    same = replace(LATER, event=ALERT.event, at=ALERT.at, instruction="Offer a call")
    message = slack_message(same, before=[ALERT], visitor_url=visitor_url)
    check_blocks(message)
    summary = message["blocks"][1]["text"]["text"]
    assert "*Downloaded a whitepaper* — Nov 22, 12:04\n*Entered “high”*\n*Score 65" in summary
    assert "Call within 5 minutes" in summary
    assert "Offer a call" in summary
    assert "whitepaper + became-hot" in shown(message)
    assert "Downloaded a whitepaper" in message["text"]
    assert "Earlier in this episode" not in shown(message)


def test_an_update_leads_with_what_is_new_and_keeps_what_was() -> None:
    message = slack_message(LATER, before=[ALERT], visitor_url=visitor_url, buttons=True)
    check_blocks(message)
    assert "*Entered “high”* — Nov 22, 12:05" in message["blocks"][1]["text"]["text"]
    assert "*Earlier in this episode*\n• 12:04 Downloaded a whitepaper" in shown(message)
    assert next(b["block_id"] for b in message["blocks"] if b["type"] == "actions") == f"kizashi.{ALERT.id}"


@pytest.mark.parametrize(
    ("standing", "buttons", "said"),
    [
        (Standing(), ["claim", "snooze", "unfit", "open"], ""),
        (
            Standing(owner="U1", owner_at=ALERT.at),
            ["release", "snooze", "unfit", "open"],
            "<@U1> has this, since Nov 22, 12:04",
        ),
        (
            Standing(snoozed_by="U2", snoozed_until=ALERT.at + 3_600_000),
            ["claim", "snooze", "unfit", "open"],
            "<@U2> snoozed this until Nov 22, 13:04",
        ),
        (
            Standing(unfit=Unfit(by="U3", at=ALERT.at)),
            ["open"],
            "Not a fit, says <@U3>: no alerts about this visitor until Dec 22",
        ),
    ],
)
def test_the_buttons_and_who_has_it(standing: Standing, buttons: list[str], said: str) -> None:
    message = slack_message(ALERT, visitor_url=visitor_url, standing=standing, buttons=True)
    check_blocks(message)
    (row,) = [block for block in message["blocks"] if block["type"] == "actions"]
    assert [element["action_id"] for element in row["elements"]] == buttons
    assert row["elements"][-1]["url"] == visitor_url("demo", ALERT.visitor)
    assert said in shown(message)


def test_an_enquiry_is_quoted_line_by_line_and_a_visit_before_is_listed() -> None:
    asked = replace(
        ALERT,
        enquiry="Can you do lots?\n\n<!channel> *Score 99*",
        visits=(
            PastVisit(
                at=ALERT.at - 86_400_000, page_count=5, engaged_ms=60_000, source={"utm_campaign": "x"}
            ),
        ),
        owner="U0123ABCD",
    )
    message = slack_message(asked, visitor_url=visitor_url)
    check_blocks(message)
    body = shown(message)
    assert "*What they wrote*\n> Can you do lots?\n> &lt;!channel&gt; " in body
    assert "• Nov 21, 12:04 — 5 pages · 1 min · directly · campaign x" in body
    assert "For <@U0123ABCD>" in body


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"test": True}, "This is a test of the rule whitepaper"),
        ({"reminder": True, "escalate": Escalation(after_ms=900_000)}, "Nobody has claimed this for 15 min."),
    ],
)
def test_banners(changes: dict[str, Any], said: str) -> None:
    message = slack_message(replace(ALERT, **changes), visitor_url=visitor_url)
    check_blocks(message)
    assert said in message["blocks"][0]["elements"][0]["text"]


def test_a_reply_says_what_is_new_and_calls_who_has_it() -> None:
    message = follow_up([ALERT, LATER], standing=Standing(owner="U1"))
    check_blocks(message)
    assert message["blocks"][0]["text"]["text"].split("\n") == [
        "12:04 *Downloaded a whitepaper*",
        "12:05 *Entered “high”*",
        "Score now 65 (high) · <@U1>",
    ]
