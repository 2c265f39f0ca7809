"""What is wrong with the shape of a site file, in words: pydantic's errors as mistakes."""

from __future__ import annotations

from collections.abc import Iterator
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from personalization.template_rules import nearest
from sites.mistakes import Mistake, Path, field_path
from sites.model import SiteFile
from sites.yaml_lines import Document

_WORDS = {
    "missing": "is required",
    "string_type": "must be text (put it in quotes)",
    "float_type": "must be a number",
    "int_type": "must be a whole number",
    "bool_type": "must be true or false",
    "list_type": "must be a list",
    "dict_type": "must be a mapping (name: value)",
    "model_type": "must be a mapping (name: value)",
    "greater_than": "must be more than {gt:g}",
    "greater_than_equal": "must be at least {ge:g}",
    "less_than_equal": "must be at most {le:g}",
    "literal_error": "must be {expected}",
    "too_short": "must have at least {min_length}",
    "too_long": "must have at most {max_length}",
    "string_too_short": "must not be empty",
    "string_too_long": "must be at most {max_length} characters",
    "finite_number": "must be a number",
}


def parse_shape(document: Document) -> SiteFile | list[Mistake]:
    """The file as a model, or every mistake of shape."""
    try:
        return SiteFile.model_validate(document.data)
    except ValidationError as error:
        return [_mistake(document, one) for one in error.errors(include_url=False, include_input=False)]


def _mistake(document: Document, error: ErrorDetails) -> Mistake:
    path = tuple(key for key in error["loc"] if key != "[key]")
    return Mistake(line=document.line(path), field=field_path(path), message=_words(path, error))


def _words(path: Path, error: ErrorDetails) -> str:
    if error["type"] == "extra_forbidden":
        fields = frozenset(_fields(path[:-1]))
        return f"there is no such field here{nearest(str(path[-1]), fields)}"
    if error["type"] == "value_error":
        return str(error["ctx"]["error"])
    template = _WORDS.get(error["type"])
    return template.format(**error.get("ctx", {})) if template else error["msg"].lower()


def _fields(path: Path) -> Iterator[str]:
    """The names of the fields that the mapping at `path` may have."""
    kind: Any = SiteFile
    for key in path:
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            named = {field.alias or name: field.annotation for name, field in kind.model_fields.items()}
            kind = named.get(str(key))
        else:
            kind = get_args(kind)[-1] if get_args(kind) else None
        kind = _bare(kind)
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        yield from (field.alias or name for name, field in kind.model_fields.items())


def _bare(kind: Any) -> Any:
    """A type without Annotated and without `| None`."""
    while get_origin(kind) in (Annotated, Union, UnionType):
        kind = next(arg for arg in get_args(kind) if arg is not type(None))
    return kind
