"""The benchmarks measure what they say, and the docs say what was measured."""

from __future__ import annotations

import gzip
import re
from collections.abc import Sequence
from pathlib import Path

import pytest

import snippet
from benchmarks import pure, report, results, rss, scale, snippet_size
from benchmarks import site as measured
from benchmarks.harness import cpu_us, in_turns
from benchmarks.results import Machine, Results, Row
from benchmarks.visitors import STAND_IN, mix, with_past
from core.events import DAY_MS

MACHINE = Machine(cores=2, memory_gb=8, system="Linux", processor="x86_64", python="3.11.0", valkey="9.0.0")


def test_the_docs_show_the_results_that_are_checked_in() -> None:
    assert report.DOC.read_text(encoding="utf-8") == report.document(results.read(), rss.kept())
    assert scale.DOC.read_text(encoding="utf-8") == scale.document(results.read())


def test_every_family_has_rows_and_every_speed_its_yardstick() -> None:
    found = results.read()
    starts = [
        "One event, one decision",
        "The worker on Redis Streams",
        "The worker on Kafka",
        "Two workers",
        "Growth",
        "What fell short",
        "The beacon",
        "Beacon to Slack",
        "Two web processes",
        "Memory in the store",
        "Memory of the processes",
        "The tag's size",
    ]
    for start in starts:
        assert [row for row in found.rows if row.family.startswith(start)], start
    for row in found.rows:
        if row.unit in {"µs CPU", "events/s", "requests/s", "s", "ms"}:
            assert row.yardstick, row.name
            assert row.beside, row.name
            # Both figures are rounded to three digits, and the ratio is a median of its own.
            low, high = row.spread or (0, 0)
            assert row.ratio is not None
            assert low <= row.ratio <= high, row.name


def test_the_results_name_no_machine_and_no_path() -> None:
    text = results.FILE.read_text(encoding="utf-8")
    assert not re.search(r'"/|/(tmp|home|root|work|usr)/|localhost|127\.0\.0\.1', text)
    assert set(Machine.__struct_fields__) == {"cores", "memory_gb", "system", "processor", "python", "valkey"}


ROUNDS: list[tuple[Sequence[float], Sequence[float], float, float, tuple[float, float]]] = [
    ([10.0, 30.0, 20.0], [10.0, 10.0, 10.0], 20.0, 2.0, (1.0, 3.0)),
    # One slow round is slow for both: the ratio does not see it, the ratio of the medians would.
    ([10.0, 200.0, 30.0], [10.0, 100.0, 20.0], 30.0, 1.5, (1.0, 2.0)),
    ([1234.5678], [3.0], 1235.0, 412.0, (412.0, 412.0)),
]


@pytest.mark.parametrize(("values", "beside", "value", "ratio", "spread"), ROUNDS)
def test_a_ratio_is_the_median_of_the_rounds_ratios(
    values: Sequence[float], beside: Sequence[float], value: float, ratio: float, spread: tuple[float, float]
) -> None:
    row = results.compared("f", "n", values, "s", "y", beside)
    assert (row.value, row.ratio, row.spread) == (value, ratio, spread)


def test_rounds_of_unlike_length_are_refused() -> None:
    with pytest.raises(ValueError, match="shorter"):
        results.compared("f", "n", [1.0, 2.0], "s", "y", [1.0])


def test_measures_take_turns() -> None:
    order: list[str] = []

    def measure(name: str) -> float:
        order.append(name)
        return float(len(order))

    samples = in_turns({"a": lambda: measure("a"), "b": lambda: measure("b")}, 3)
    assert order == ["a", "b"] * 3
    assert samples == {"a": [1.0, 3.0, 5.0], "b": [2.0, 4.0, 6.0]}


def test_more_work_measures_as_more() -> None:
    small = cpu_us(lambda count: sum(range(count)), [1_000])
    large = cpu_us(lambda count: sum(range(count)), [100_000])
    assert large() > 10 * small() > 0


def test_what_is_written_is_what_is_read(tmp_path: Path) -> None:
    row = Row(
        family="f", name="n", value=1.5, unit="s", yardstick="y", beside=3.0, ratio=0.5, spread=(0.4, 0.6)
    )
    made = Results(
        machine=MACHINE, took_s=1, rows=[row, Row(family="f", name="alone", value=12_345, unit="MiB")]
    )
    results.write(made, tmp_path / "results.json")
    assert results.read(tmp_path / "results.json") == made
    shown = report.document(made)
    assert "| n | 1.5 s | 3 s | y | 0.5 | 0.4 to 0.6 |" in shown
    assert "| alone | 12,345 MiB |  |  |  |  |" in shown
    assert (
        "Measured on 2 cores (x86_64), 8 GB, Linux, Python 3.11.0, Valkey 9.0.0.\nThe run took 1 s." in shown
    )
    assert report.table(made.rows) == [
        "",
        "f",
        "  n      1.5 s       3 s  y  0.5  0.4 to 0.6",
        "  alone  12,345 MiB",
    ]


def test_the_measured_site_and_visitors_are_what_the_rows_say() -> None:
    site = measured.compiled()
    assert len(site.scoring.rules) == 20
    profile = with_past(100, site, over_ms=365 * DAY_MS)
    assert sum(stat.count for stat in profile.events.values()) == 100
    assert 300 * DAY_MS < profile.last_at - profile.first_at < 365 * DAY_MS
    visitors = [visitor.profile for visitor in mix(400, site)]
    assert {visitor.id for visitor in visitors} == {STAND_IN}
    few = sum(visitor.page_count <= 3 for visitor in visitors) / len(visitors)
    assert 0.7 < few < 0.9
    assert max(visitor.page_count for visitor in visitors) > 12


def test_the_pure_rows_run() -> None:
    rows = pure.rows(rounds=1)
    assert len(rows) == len(pure.PASTS) + 1 + 2 + 1 + len(pure.EXPERIENCES)
    assert all(row.value > 0 and row.ratio for row in rows)


def test_the_tag_s_size_is_that_of_the_built_file_and_each_row_says_whose_figure_it_is(
    tmp_path: Path,
) -> None:
    measured_one, quoted_one = snippet_size.PEERS[2], snippet_size.PEERS[0]
    file = tmp_path / f"growthbook-{measured_one.version}" / "package" / measured_one.file
    file.parent.mkdir(parents=True)
    file.write_bytes(b"x" * 10_000)
    assert snippet_size.size_of(measured_one, tmp_path) == (
        len(gzip.compress(b"x" * 10_000, 9, mtime=0)),
        f"measured: auto.min.js {measured_one.version}",
    )
    file.unlink()
    assert snippet_size.size_of(measured_one, tmp_path) == (18_048, "quoted: could not be fetched")
    assert snippet_size.size_of(quoted_one, tmp_path) == (2_229, "quoted: not on npm")
    shown = [row for row in results.read().rows if row.family == snippet_size.FAMILY]
    built = len(gzip.compress(snippet.source(), 9, mtime=0))
    assert {row.value for row in shown if row.yardstick} == {float(built)}
    assert [str(row.yardstick).partition(",")[0] for row in shown if row.yardstick] == [
        peer.name for peer in snippet_size.PEERS
    ]
