"""What is stored for every visitor is stored compressed, against a dictionary of what such texts have in common.

A packed text begins with a byte that says how: the number of its dictionary, each of which is shipped for ever.
A text that begins with "{" or "[" was stored before there was any packing, and is as it stands.
See docs/adr/0011-packing.md; `python -m tools.dictionaries` makes the dictionaries.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files

import zstandard

#: The dictionaries to pack with: for profiles, for events and ledger entries. A new one takes a new number.
PROFILES = 3
LINES = 2
#: Those that anything was ever packed with: 1 was for profiles without their recent events.
_NUMBERS = (1, 2, 3)

#: A higher level takes far longer for records that are hardly smaller.
_LEVEL = 3
#: No magic number, no checksum, no dictionary's id: 12 bytes of each text that say nothing here.
_FORMAT = zstandard.FORMAT_ZSTD1_MAGICLESS
#: Of what size a typical text is: what the compressor's tables are laid out for.
_TYPICAL = 1_024


def pack(text: bytes, dictionary: int) -> bytes:
    """`text` (JSON) as stored."""
    return bytes((dictionary,)) + _compressor(dictionary).compress(text)


def unpack(packed: bytes) -> bytes:
    """The text. Raises ValueError where it is damaged, or packed by a later release."""
    if not is_packed(packed):
        return packed
    number = packed[0] if packed else 0
    if number not in _NUMBERS:
        raise ValueError(f"packed with dictionary {number}, which this release does not know")
    try:
        return _decompressor(number).decompress(packed[1:])
    except zstandard.ZstdError as error:
        raise ValueError(f"damaged: {error}") from error


def is_packed(stored: bytes) -> bool:
    """Whether a stored text was packed: before there was any packing all were JSON, arrays or objects."""
    return not stored.startswith((b"{", b"["))


@cache
def _compressor(number: int) -> zstandard.ZstdCompressor:
    words = _dictionary(number)
    settings = zstandard.ZstdCompressionParameters.from_level(
        _LEVEL,
        source_size=_TYPICAL,
        dict_size=len(words),
        format=_FORMAT,
        write_content_size=True,
        write_dict_id=False,
        write_checksum=False,
    )
    words.precompute_compress(compression_params=settings)
    return zstandard.ZstdCompressor(dict_data=words, compression_params=settings)


@cache
def _decompressor(number: int) -> zstandard.ZstdDecompressor:
    return zstandard.ZstdDecompressor(dict_data=_dictionary(number), format=_FORMAT)


@cache
def _dictionary(number: int) -> zstandard.ZstdCompressionDict:
    data = files("storage.data").joinpath(f"{number}.zdict").read_bytes()
    return zstandard.ZstdCompressionDict(data, dict_type=zstandard.DICT_TYPE_FULLDICT)
