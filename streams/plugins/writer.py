"""The one write path: records with their side effects, each applied whole, once, and by its rightful owner."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import Any

import msgspec
from redis.asyncio import Redis

from core.errors import LeaseLost
from storage.lease import Lease
from storage.profiles import LIFE_S

Command = tuple[str | bytes | int, ...]

#: Records a script call writes at the most, so that no call blocks the server for long.
CHUNK = 200

# KEYS[1] lease, ARGV[1] its token ("" where no lease guards: Kafka), ARGV[2] life in seconds,
# ARGV[3] msgpack [[key, base, record, [command, ...]], ...]. A record of "" is not written: effects alone.
# A record's head is "epoch partition offset". `base` is the head of the record it was computed from.
#   stored head == base             apply: record and effects
#   stored covers the new position  it was applied before: skip it with its effects
#   anything else                   somebody else wrote meanwhile: refuse
_WRITE = """
if ARGV[1] ~= '' and redis.call('GET', KEYS[1]) ~= ARGV[1] then return redis.error_reply('FENCED lease') end
local function place(head) return string.match(head, '^(%S+ %d+) (%d+)$') end
local written = 0
for _, write in ipairs(cmsgpack.unpack(ARGV[3])) do
  local key, base, record, effects = write[1], write[2], write[3], write[4]
  local fresh = true
  if record ~= '' then
    local stored = string.match(redis.call('GETRANGE', key, 0, 127), '^[^\\n]*')
    if stored == base then
      redis.call('SET', key, record, 'EX', ARGV[2])
    else
      local at, offset = place(string.match(record, '^[^\\n]*'))
      local stored_at, stored_offset = place(stored)
      if stored_at ~= at or tonumber(stored_offset) < tonumber(offset) then
        return redis.error_reply('FENCED ' .. key .. ' is at ' .. stored .. ', not at ' .. base)
      end
      fresh = false
    end
  end
  if fresh then
    written = written + 1
    for _, command in ipairs(effects) do redis.call(unpack(command)) end
  end
end
return written
"""


#: A word of a command, or a record: text, or what `word` made of bytes.
Word = str | msgspec.Raw


class Write(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """One record to store under `key` and the commands that go with it. `base` is the head of the record it
    was computed from, "" where there was none; `record` is empty for commands alone.
    """

    key: str
    base: str
    record: Word
    effects: list[list[Word]]


class Writer:
    """Runs writes in order. Raises LeaseLost when this process is no longer the owner.

    With a `lease` (Redis Streams) one worker owns everything. Without (Kafka) each partition has its owner, and
    a worker that lost one without noticing is refused as soon as the new owner has written the same record.
    """

    def __init__(self, *, redis: Redis, lease: Lease | None = None) -> None:
        self._script = redis.register_script(_WRITE)
        self._lease = lease

    async def write(self, writes: Sequence[Write]) -> None:
        """Apply `writes`, each one whole or not at all."""
        rest = iter(writes)
        while chunk := list(islice(rest, CHUNK)):
            await self._call(msgspec.msgpack.encode(chunk))

    async def _call(self, payload: bytes) -> None:
        lease = self._lease
        try:
            await self._script(
                keys=[lease.key if lease else "-"], args=[lease.token if lease else "", LIFE_S, payload]
            )
        except Exception as error:
            if "FENCED" in str(error):
                raise LeaseLost(str(error)) from error
            raise


def word(data: bytes) -> msgspec.Raw:
    """Bytes as the script takes them: a MessagePack text, whatever is in it. The server's cmsgpack knows no binary
    type, and to Lua a text is bytes.
    """
    return msgspec.Raw(b"\xdb" + len(data).to_bytes(4, "big") + data)


def plain(command: Sequence[Any]) -> list[Word]:
    """A Redis command with its numbers as text, as the script wants it."""
    return [word(part) if isinstance(part, bytes) else str(part) for part in command]
