"""Topics and partitions: names, and which partition a key goes to. Shared by the web process and the worker."""

from __future__ import annotations

EVENTS = "events"
GROUP = "kizashi"


def event_key(site: str, visitor: str) -> str:
    """The key an event travels under: all events of one visitor keep their order."""
    return f"{site}:{visitor}"


def name_of(key: bytes | None) -> str | None:
    """The table's name for a message's key, None where the key is none of ours: anybody may write to a topic."""
    try:
        name = (key or b"").decode()
    except UnicodeDecodeError:
        return None
    site, _, visitor = name.partition(":")
    return name if site and visitor else None


def partition_of(key: bytes, partitions: int) -> int:
    """Kafka's default partitioner: murmur2 with the sign bit masked, modulo the number of partitions."""
    return (murmur2(key) & 0x7FFFFFFF) % partitions if partitions > 1 else 0


def murmur2(data: bytes) -> int:
    """Murmur2, 32 bits, with Kafka's seed (org.apache.kafka.common.utils.Utils#murmur2)."""
    mask, m, length = 0xFFFFFFFF, 0x5BD1E995, len(data)
    h = 0x9747B28C ^ length
    whole = length - length % 4
    for i in range(0, whole, 4):
        k = int.from_bytes(data[i : i + 4], "little") * m & mask
        k = (k ^ (k >> 24)) * m & mask
        h = (h * m & mask) ^ k
    if tail := data[whole:]:
        h = (h ^ int.from_bytes(tail, "little")) * m & mask
    h = (h ^ (h >> 13)) * m & mask
    return h ^ (h >> 15)
