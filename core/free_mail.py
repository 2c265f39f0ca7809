"""Mail hosts where anybody can have an address: they say nothing about the person's company.

Lists: `core.data`; throw-away (disposable) mail hosts are in it too.
"""

from __future__ import annotations

from functools import lru_cache

from core.data import free_mail_hosts as listed
from core.data import own_mail_hosts as own

_HOSTS = (frozenset(listed.HOSTS.split()) - frozenset(own.NOT_FREE.split())) | frozenset(own.FREE.split())
_MAX_DOMAIN = 253


@lru_cache(maxsize=4_096)
def is_free_mail(domain: str) -> bool:
    """Whether a mail domain, or a parent domain of it, gives addresses to anybody.

    In any case of letters, with or without the final dot; `notgmail.com` is no `gmail.com`.
    """
    name = domain.lower().rstrip(".")
    if len(name) > _MAX_DOMAIN:
        return False
    while name:
        if name in _HOSTS:
            return True
        name = name.partition(".")[2]
    return False
