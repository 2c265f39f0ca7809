"""The door to a site file: text in, the file or every mistake out."""

from __future__ import annotations

from typing import Any

from sites.meaning import check_meaning
from sites.mistakes import BadSiteFile, Mistake
from sites.model import SiteFile
from sites.presets import expanded
from sites.shape import parse_shape
from sites.yaml_lines import Document, read_yaml


def check_text(text: str) -> SiteFile | list[Mistake]:
    """The site file, or all its mistakes in the order of their lines."""
    try:
        return _check(read_yaml(text))
    except BadSiteFile as error:
        return list(error.mistakes)


def read_text(text: str) -> tuple[SiteFile, Any]:
    """The site file and its plain data, a preset's rules written out. Raises BadSiteFile with every mistake."""
    document = read_yaml(text)
    checked = _check(document)
    if isinstance(checked, list):
        raise BadSiteFile(checked)
    data = expanded(document.data)
    return read_data(data), data


def read_data(data: Any) -> SiteFile:
    """A site file from the plain data of an earlier `read_text`. Raises BadSiteFile."""
    file = parse_shape(Document(data=data))
    if isinstance(file, list):
        raise BadSiteFile(file)
    return file


def _check(document: Document) -> SiteFile | list[Mistake]:
    if not isinstance(document.data, dict):
        return [Mistake(line=1, field="", message="must be a mapping (site: …, name: …)")]
    file = parse_shape(document)
    mistakes = (file if isinstance(file, list) else []) + check_meaning(document)
    if mistakes or isinstance(file, list):
        return sorted(set_once(mistakes), key=lambda mistake: mistake.line)
    return file


def set_once(mistakes: list[Mistake]) -> list[Mistake]:
    """Without repetitions, order kept."""
    return list({(one.line, one.field, one.message): one for one in mistakes}.values())
