"""What docs/performance.md says above the rows of a family."""

from __future__ import annotations

#: The beginning of families' names -> the text.
_NOTES = {
    "One event, one decision": """\
`step` is all that one event does to a visitor: fold, score, audiences, alert rules. Its cost must not grow with
the visitor's past; the yardstick's does, with the profile's size. An event id counts once in 24 hours, so a
profile keeps the ids of a day.
""",
    "The worker": """\
The bare consumer reads the same broker in one process, does the same pure step and writes with the same writer,
but has no Faust, lease, take-over, dead letters or sending of alerts: the ratio is what those cost.
""",
    "The beacon": """\
A request brings a page view and asks for two slots; it is answered once the stream has acknowledged the event.
The load comes from the same machine over keep-alive connections. nginx with Lua reads the same profile from the
same store and appends the event, and nothing else: no signature, no scoring, no decision. The latency is that of
requests sent at a steady rate, whatever the answers take, at 300 a second and at the highest rate of a ladder that
one process carries: the last quarter of two seconds' requests is answered within 100 ms, half of them. p99 has two
goals: where bare aiohttp is slow as well, the ratio alone says little.
""",
    "Two web processes": """\
`kizashi web` started twice on one port: the system shares the connections among the two. That they answer 1.8
times as much as one can be seen only where each has a core to itself, beside the store and the load generator: on
fewer than four cores that row has no goal, and the last one says how much of the cores was left for them. What a
request costs of CPU beside one process hardly depends on the machine: at 1.11 times as much, two on cores of their
own answer 1.8 times as many.
""",
    "Two workers": """\
Kafka shares four partitions among the workers of the group. The events are published while the workers run.
Broker, store, publisher and workers share the cores: the last row says what was left for the workers.
""",
    "Growth": """\
Two stores, one worker after the other on each: the same visits of as many visitors, who lie evenly among all that
the store holds. Every stored record is that of a visitor who saw three pages.
""",
    "Beacon to Slack": """\
From sending the beacon to the arrival of the alert at a local server that speaks Slack's API, through the web
process, the stream, the worker and the outbox. The client, that server and all processes share the machine.
""",
    "What fell short": """\
Shares of the time that requests and events take, by Python's own profiler (cProfile) over the web process and the
worker under the same load as above, once they have started: first by whose code it is spent in, then by what is
done, whosever code does it. The profiler makes many small calls look dearer than they are.
""",
    "The tag's size": """\
What a browser fetches before a page can be tracked and its slots be filled. A peer's figure is measured in this
run, of the file that its npm package brings for pages, or quoted from its published script. They differ in what
they do: none of them both tracks and swaps.
""",
    "Memory of the processes": """\
RSS of one web process and one worker under a steady load of 120 page views a second, four in ten of them by
somebody new. Begin and end are those of the straight line through the last two thirds of the samples: in the first
third caches fill. The worker keeps the records of 50,000 visitors at the most; before the long run it counts the
visits of as many, so that this cache is full throughout. The short run is made each time; the long one is made by
`python -m benchmarks --soak-minutes 30`, kept in `benchmarks/rss.json` and shown here with the minutes it took.
""",
    "Memory in the store": """\
Profile, ledger, alerts and recent events in Valkey. In this mix 80 % of the visitors have one to three page views,
16 % up to 12, 4 % up to 60. The profile before a visit, and recent events that are not with the profile, are kept
for 75 hours: what is settled is without them.
""",
}


def of(family: str) -> str:
    """The text of a family, "" where it has none."""
    return "".join(note for start, note in _NOTES.items() if family.startswith(start))
