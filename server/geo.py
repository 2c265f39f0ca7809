"""The country and the company of an IP address, by MaxMind-format databases that the operator supplies.

Addresses are looked up and forgotten: never stored, logged or cached. Which fields are read: docs/acquisition.md.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import maxminddb
import structlog

from core.errors import SettingsError
from core.free_mail import is_free_mail
from server.client_ip import PRIVATE, Address, address_of, within

#: Seconds between looks at the files: one that was replaced is in use within a minute.
LOOK_EVERY = 20.0

#: Kinds of network whose owner is not the visitor's employer (IPinfo's `type`, MaxMind's `user_type`).
_CARRIERS = frozenset({"isp", "hosting", "cellular", "residential", "dialup", "content_delivery_network"})
_MAX_NAME = 200

log = structlog.get_logger()


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """What an address tells. `country` is ISO 3166-1 alpha-2 (`JP`); all are "" where nothing is known."""

    country: str = ""
    company_domain: str = ""
    company_name: str = ""


NOWHERE = Place()


def checked_database(path: Path) -> Path:
    """`path`, if a MaxMind-format database can be opened there. Raises ValueError, which names the problem."""
    _open(path).close()
    return path


class Places:
    """The operator's databases. Either may be absent.

    Raises SettingsError, one line, when a file is missing or no such database. `reload` and `watch` take up a
    replaced file; a broken one is reported and the old one stays in use.
    """

    def __init__(
        self, *, country: Path | None = None, company: Path | None = None, look_every: float = LOOK_EVERY
    ) -> None:
        self._look_every = look_every
        self._databases: list[_Database] = []
        self._country = self._use("KIZASHI_GEOIP_DB", country)
        self._company = self._use("KIZASHI_COMPANY_DB", company)

    def _use(self, setting: str, path: Path | None) -> _Database | None:
        if path is None:
            return None
        try:
            database = _Database(setting, path)
        except ValueError as problem:
            self.close()
            raise SettingsError(f"{setting}: {str(path)!a} {problem}") from None
        self._databases.append(database)
        return database

    @property
    def known(self) -> bool:
        """Whether there is anything to look up in."""
        return bool(self._databases)

    def look_up(self, ip: str) -> Place:
        """The place of an address; NOWHERE for a private, unknown or malformed one."""
        address = address_of(ip)
        if address is None or within(address, PRIVATE):
            return NOWHERE
        country = _country(self._country.get(address)) if self._country else ""
        domain, name = _company(self._company.get(address)) if self._company else ("", "")
        return Place(country=country, company_domain=domain, company_name=name)

    def reload(self) -> int:
        """Open the files that were replaced anew, and say how many. Fast: looks at their time and size."""
        return sum(database.reload() for database in self._databases)

    async def watch(self) -> None:
        """Take up replaced files, for ever."""
        while True:
            await asyncio.sleep(self._look_every)
            self.reload()

    @contextlib.asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        """Watch the files meanwhile, and close them at the end: the shape `cleanup_ctx` wants."""
        task = asyncio.create_task(self.watch())
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
            self.close()

    def close(self) -> None:
        """Close the files."""
        for database in self._databases:
            database.close()


class _Database:
    """One open file. Replace it by renaming: the open one is mapped into memory, and must not change under us."""

    def __init__(self, setting: str, path: Path) -> None:
        self._setting, self._path = setting, path
        self._mark = _mark(path)
        self._reader = _open(path)

    def get(self, address: Address) -> Any:
        try:
            return self._reader.get(address)
        except (ValueError, maxminddb.InvalidDatabaseError):
            return None  # an IPv6 address in an IPv4 database, or a damaged record: nothing is known

    def reload(self) -> bool:
        mark = _mark(self._path)
        if mark == self._mark:
            return False
        self._mark = mark
        try:
            reader = _open(self._path)
        except ValueError as problem:
            log.warning("database_not_reopened", setting=self._setting, problem=str(problem))
            return False
        self._reader.close()
        self._reader = reader
        return True

    def close(self) -> None:
        self._reader.close()


def _open(path: Path) -> maxminddb.Reader:
    try:
        return maxminddb.open_database(path)
    except FileNotFoundError:
        problem = "is not there"
    except OSError:
        problem = "cannot be read"
    except (maxminddb.InvalidDatabaseError, ValueError):
        problem = "is not a MaxMind-format database"
    raise ValueError(problem)


def _mark(path: Path) -> tuple[int, int, int]:
    try:
        found = path.stat()
    except OSError:
        return (0, 0, 0)
    return (found.st_ino, found.st_mtime_ns, found.st_size)


def _country(record: Any) -> str:
    """MaxMind's `country.iso_code`, or the flat `country_code` or `country` of others."""
    code = _text(record, "country.iso_code", "country_code", "country")
    return code.upper() if len(code) == 2 and code.isascii() and code.isalpha() else ""


def _company(record: Any) -> tuple[str, str]:
    """Domain and name of the company that uses the address; empty for a network provider's own customers."""
    kind = _text(record, "type", "user_type", "traits.user_type")
    domain = _text(record, "company_domain", "domain", "traits.domain").lower().strip(".")
    if kind.lower() in _CARRIERS or is_free_mail(domain):
        return "", ""
    name = _text(record, "company_name", "name", "organization", "traits.organization")
    return (domain if "." in domain else ""), name


def _text(record: Any, *paths: str) -> str:
    """The first of the paths that leads to a text, else ""."""
    for path in paths:
        found = record
        for key in path.split("."):
            found = found.get(key) if isinstance(found, dict) else None
        if isinstance(found, str) and found.strip():
            return found.strip()[:_MAX_NAME]
    return ""
