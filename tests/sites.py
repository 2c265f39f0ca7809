"""Site files for tests."""

DEMO = """
site: demo
name: Acme ERP
write_key: demo-write-key
origins: ["http://shop.example"]
timezone: Asia/Tokyo
locale: en
topics:
  - {path: "/pricing*", topic: pricing}
scoring:
  bands: {warm: 20, high: 50}
  rules:
    - {id: page-view, on: page, points: 1}
    - {id: whitepaper, on: whitepaper_download, points: 30, once: session}
    - {id: pricing-dwell, on: engage, when: {page.topic: pricing, page.engaged_s: {$gte: 60}}, points: 20,
       once: session}
audiences:
  first_time: {session_count: 1}
  returning: {session_count: {$gte: 2}}
  high_intent: {intent: high}
experiences:
  - id: top-hero
    slot: hero
    choose:
      - audience: high_intent
        variants: [{id: talk, template: "<h1>Talk to us, {{ traits.name | default('friend') }}</h1>"}]
      - {audience: returning, variants: [{id: results, template: "<h1>Results</h1>"}]}
      - {audience: first_time, variants: [{id: image, template: "<h1>Welcome</h1>"}]}
alerts:
  - {id: whitepaper, on: whitepaper_download, channel: "#hot-leads", cooldown: 30m}
"""
