"""The one write path: records with their side effects, applied atomically and only by the owner of the lease."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import Any

import msgspec
from redis.asyncio import Redis

from core.errors import LeaseLost
from storage.profiles import LIFE_S

Command = tuple[str | bytes | int, ...]

#: Records a script call writes at the most, so that no call blocks the server for long.
CHUNK = 200

# KEYS[1] lease, ARGV[1] token ("" where no lease guards: Kafka), ARGV[2] life in seconds,
# ARGV[3] msgpack [[key, record, [command, ...]], ...]. A record of "" is not written: effects alone.
# A record is skipped, with its effects, when what is stored already covers its position.
_WRITE = """
if ARGV[1] ~= '' and redis.call('GET', KEYS[1]) ~= ARGV[1] then return redis.error_reply('FENCED') end
local function head(record) return string.match(record, '^(%S+ %d+) (%d+)\\n') end
local written = 0
for _, write in ipairs(cmsgpack.unpack(ARGV[3])) do
  local key, record, effects = write[1], write[2], write[3]
  local fresh = true
  if record ~= '' then
    local stored = redis.call('GETRANGE', key, 0, 127)
    local at, offset = head(record)
    local stored_at, stored_offset = head(stored)
    fresh = stored_at ~= at or tonumber(stored_offset) < tonumber(offset)
    if fresh then redis.call('SET', key, record, 'EX', ARGV[2]) end
  end
  if fresh then
    written = written + 1
    for _, command in ipairs(effects) do redis.call(unpack(command)) end
  end
end
return written
"""


class Write(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """One record to store under `key` and the commands that go with it. `record` is "" for commands alone.

    All of it is text: the server's cmsgpack does not know MessagePack's binary type.
    """

    key: str
    record: str
    effects: list[list[str]]


class Writer:
    """Runs writes in order. Raises LeaseLost when this process is no longer the owner."""

    def __init__(self, *, redis: Redis, lease_key: str = "", token: str = "") -> None:
        self._script = redis.register_script(_WRITE)
        self._lease_key, self._token = lease_key, token

    async def write(self, writes: Sequence[Write]) -> None:
        """Apply `writes`, each one whole or not at all."""
        rest = iter(writes)
        while chunk := list(islice(rest, CHUNK)):
            await self._call(msgspec.msgpack.encode(chunk))

    async def _call(self, payload: bytes) -> None:
        try:
            await self._script(keys=[self._lease_key or "-"], args=[self._token, LIFE_S, payload])
        except Exception as error:
            if "FENCED" in str(error):
                raise LeaseLost from error
            raise


def plain(command: Sequence[Any]) -> list[str]:
    """A Redis command with its numbers and bytes (UTF-8) as text, as the script wants it."""
    return [part.decode() if isinstance(part, bytes) else str(part) for part in command]
