"""The site file's JSON Schema, for editors: completion and checks while typing."""

from __future__ import annotations

from typing import Any

from sites.model import SiteFile


def json_schema() -> dict[str, Any]:
    """JSON Schema draft 2020-12 of a site file."""
    schema = SiteFile.model_json_schema(by_alias=True)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": "Kizashi site file"}
