"""The site that is measured: 20 scoring rules of every kind, audiences, ten experiences, an alert rule."""

from __future__ import annotations

from sites.check import check_text
from sites.compile import compile_site
from sites.site import Site

TOPICS = ("product", "pricing", "cases", "blog", "support")

_HEAD = """
site: demo
name: Acme ERP
write_key: demo-write-key
origins: ["http://shop.example"]
timezone: Asia/Tokyo
locale: en
"""

_RULES = """
    - {id: page-view, on: page, points: 1}
    - {id: whitepaper, on: whitepaper_download, points: 30, once: session}
    - {id: price-list, on: price_list, points: 20, once: day}
    - {id: seminar, on: seminar, points: 10, once: visitor}
    - {id: newsletter, on: identify, points: 10, once: visitor}
    - {id: pricing-view, on: page, when: {page.topic: pricing}, points: 5, once: session}
    - {id: case-view, on: page, when: {page.path: {$regex: "^/cases/."}}, points: 5, once: session}
    - {id: pricing-dwell, on: engage, when: {page.topic: pricing, page.engaged_s: {$gte: 60}}, points: 15,
       once: session}
    - {id: case-dwell, on: engage, when: {page.topic: cases, page.engaged_s: {$gte: 60}}, points: 10,
       once: session}
    - {id: long-visit, on: engage, when: {session.engaged_s: {$gte: 600}}, points: 5, once: session}
    - {id: many-pages, on: page, when: {session.page_count: {$gte: 10}}, points: 5, once: session}
    - {id: campaign, on: page, when: {utm.medium: cpc, session.page_count: 1}, points: 3, once: session}
    - {id: president, when: {traits.title: {$regex: "社長|CEO|President"}}, points: 20}
    - {id: manager, when: {traits.title: {$in: [Manager, 課長, 部長]}}, points: 10}
    - {id: work-address, when: {account.domain: {$exists: true}}, points: 5}
    - {id: regular, when: {session_count: {$gte: 3}}, points: 5}
    - {id: broad, when: {$and: [{topics.product: {$gte: 1}}, {topics.pricing: {$gte: 1}}]}, points: 5}
    - {id: office-hours, when: {now.hour: {$gte: 9, $lt: 18}, now.weekday: {$lt: 5}}, points: 1}
    - {id: no-mail, idle: {event: email_open, for: 180d}, points: -30}
    - {id: gone, idle: {event: page, for: 90d}, points: -10}
"""

_REST = """
audiences:
  first_time: {session_count: 1}
  returning: {session_count: {$gte: 2}}
  high_intent: {intent: high}
  pricing_reader: {topics.pricing: {$gte: 2}}
  known: {traits.email: {$exists: true}}
  downloader: {events.whitepaper_download.count: {$gte: 1}}
experiences:
  - id: top-hero
    slot: hero
    choose:
      - audience: high_intent
        variants: [{id: talk, template: "<h1>Talk to us, {{ traits.name | default('friend') }}</h1>"}]
      - {audience: returning, variants: [{id: results, template: "<h1>Results</h1>"}]}
      - {audience: first_time, variants: [{id: image, template: "<h1>Welcome</h1>"}]}
"""

#: With the one above ten; two slots have candidates that are not for this visitor before the one that is.
_MORE = "".join(
    f"""
  - id: more-{number}
    slot: {slot}
    holdout: 0.1
    choose:
      - audience: {audience}
        variants:
          - {{id: a, template: "<p>{number} for {{{{ traits.name | default('you') }}}}</p>"}}
          - {{id: b, template: "<p>{number}</p>"}}"""
    for number, (slot, audience) in enumerate(
        [
            ("hero", "downloader"),
            ("hero", "known"),
            ("hero", "pricing_reader"),
            ("side", "downloader"),
            ("side", "known"),
            ("side", "first_time"),
            ("side", "returning"),
            ("foot", "known"),
            ("foot", "returning"),
        ]
    )
)

_ALERT = "{{id: {id}, on: {on}, channel: '#{channel}', cooldown: 30m}}"


def text(*, alert_on: int = 0, idle_rules: int = 0) -> str:
    """The site file. With `alert_on`, as many alert rules, each on its event `ask-<n>` in its channel `c<n>`; with
    `idle_rules`, as many scoring rules that match nobody: on other pages, other events, other traits in turn.
    """
    topics = "".join(f"\n  - {{path: '/{topic}*', topic: {topic}}}" for topic in TOPICS)
    asks = [_ALERT.format(id=f"ask-{n}", on=f"ask-{n}", channel=f"c{n}") for n in range(alert_on)]
    alerts = [_ALERT.format(id="whitepaper", on="whitepaper_download", channel="hot-leads"), *asks]
    lines = "".join(f"\n  - {alert}" for alert in alerts)
    scoring = f"scoring:\n  bands: {{warm: 20, high: 50}}\n  rules:{_RULES}{_idle(idle_rules)}"
    return f"{_HEAD}topics:{topics}\n{scoring}{_REST.rstrip()}{_MORE}\nalerts:{lines}\n"


def _idle(count: int) -> str:
    kinds = (
        "on: page, when: {{page.path: '/elsewhere/{n}'}}",
        "on: never-{n}",
        "when: {{traits.plan: plan-{n}}}",
    )
    rules = (f"{{id: idle-{n}, {kinds[n % 3].format(n=n)}, points: 1}}" for n in range(count))
    return "".join(f"    - {rule}\n" for rule in rules)


def compiled(*, idle_rules: int = 0) -> Site:
    """The site as the engine runs it."""
    checked = check_text(text(idle_rules=idle_rules))
    if isinstance(checked, list):
        raise ValueError("; ".join(mistake.at("site") for mistake in checked))
    return compile_site(checked, revision=1, rule_versions={})
