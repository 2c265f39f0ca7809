"""The API description: true to the code's shapes, whole in both languages."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from core.events import RawEvent
from server.collect import Beacon
from server.decisions import Ask
from server.openapi import document
from server.openapi_page import breakable, prose, sections
from server.openapi_paths import OPERATIONS, TAGS
from server.openapi_shapes import SHAPES
from server.openapi_words import LANGS, Text, localised
from server.segment_call import Batch, Call

ALL = [(one.method, one.path) for one in OPERATIONS]


def names(struct: type[msgspec.Struct]) -> set[str]:
    return set(struct.__struct_fields__)


def texts(value: Any, where: str = "") -> Iterator[tuple[str, Any]]:
    """Every text for people, with where it stands."""
    if isinstance(value, Text):
        yield where, value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from texts(item, f"{where}.{key}")
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            yield from texts(item, f"{where}[{index}]")


@pytest.mark.parametrize(
    ("shape", "struct"), [("Beacon", Beacon), ("Event", RawEvent), ("Ask", Ask), ("Batch", Batch)]
)
def test_what_is_described_is_what_is_decoded(shape: str, struct: type[msgspec.Struct]) -> None:
    assert set(SHAPES[shape]["properties"]) == names(struct)
    needed = {f.name for f in msgspec.structs.fields(struct) if f.required}
    assert set(SHAPES[shape].get("required", ())) == needed


def test_the_calls_of_segment_are_described_whole() -> None:
    described = set(SHAPES["Batch"]["properties"]["batch"]["items"]["properties"])
    assert described == names(Call)
    for kind in ("Page", "Track", "Identify", "Group", "Alias"):
        assert set(SHAPES[kind]["properties"]) < names(Call)


def test_every_text_is_there_in_both_languages() -> None:
    found = [
        *texts(SHAPES),
        *texts(TAGS),
        *((one.path, text) for one in OPERATIONS for text in (one.summary, one.about)),
        *((one.path, text) for one in OPERATIONS for _, text in texts(list(one.parameters))),
    ]
    assert len(found) > 100
    for where, text in found:
        assert bool(text.en) == bool(text.ja), (where, text)
    assert all(one.summary.en for one in OPERATIONS)


@pytest.mark.parametrize("lang", LANGS)
def test_every_reference_leads_somewhere_and_every_name_is_used_once(lang: str) -> None:
    found = document(ALL, lang=lang)
    operations = [one for methods in found["paths"].values() for one in methods.values()]
    ids = [one["operationId"] for one in operations]
    assert len(ids) == len(set(ids)) >= len(OPERATIONS)
    schemas = found["components"]["schemas"]
    used = {name.rpartition("/")[2] for name in references(found)}
    assert used <= set(schemas)
    assert {one["tags"][0] for one in operations} == {tag["name"] for tag in found["tags"]}
    assert not list(texts(found))


def references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, item in value.items():
            if key == "$ref":
                yield item
            yield from references(item)
    elif isinstance(value, list):
        for item in value:
            yield from references(item)


def test_only_what_the_server_has_is_shown() -> None:
    found = document(
        [("get", "/healthz"), ("post", "/v1/track"), ("get", "/demo/")], base="https://k.example"
    )
    assert set(found["paths"]) == {"/healthz", "/v1/track", "/v1/t"}
    assert [tag["name"] for tag in found["tags"]] == ["Segment", "Operations"]
    sample = found["paths"]["/v1/track"]["post"]["x-codeSamples"][0]["source"]
    assert sample.startswith("curl https://k.example/v1/track \\\n  -u demo-write-key:")


def test_the_page_shows_a_short_path_beside_its_long_one() -> None:
    (segment,) = [one for one in sections(document(ALL)) if one["name"] == "Segment"]
    track = next(one for one in segment["operations"] if one["path"] == "/v1/track")
    assert track["also"] == ["/v1/t"]
    assert [row["name"] for row in track["body"] if row["required"]] == ["event"]
    shown = {one["path"] for section in sections(document(ALL)) for one in section["operations"]}
    assert shown == {one.path for one in OPERATIONS}


def test_texts_are_escaped() -> None:
    assert prose("a `<b>` & <i>") == "a <code>&lt;b&gt;</code> &amp; &lt;i&gt;"
    assert breakable("/v1/{a}<") == "/<wbr>v1/<wbr>{a}&lt;"
    assert localised({"a": Text("x", "y"), "description": Text("", "")}, "ja") == {"a": "y"}
