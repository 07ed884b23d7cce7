"""Named arrays in one file, in the layout of safetensors: their library opens what is written here.

    8 bytes     length of the header [byte], little-endian
    header      JSON: "__metadata__" with strings, and for each array "dtype", "shape", "data_offsets" (begin, end) [byte]
                counted from the end of the header; filled with spaces to a multiple of 8
    arrays      one after the other without gaps, little-endian, in C order

Source: the format's description in https://github.com/huggingface/safetensors (README, "Format"). Nothing in a file is
executed, and nothing is read before its place and size are known to lie inside the file.
"""

import json
import math
from collections.abc import Mapping
from itertools import chain
from pathlib import Path
from reprlib import Repr
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from sim.errors import InputError, choose
from sim.files import write_parts

DTYPES: dict[str, np.dtype[Any]] = {
    "U8": np.dtype("u1"),
    "U16": np.dtype("<u2"),
    "F16": np.dtype("<f2"),
    "F32": np.dtype("<f4"),
}
NAMES = {dtype: name for name, dtype in DTYPES.items()}

LARGEST_HEADER = 1 << 16
"""[byte] A header of a few arrays has about a thousand."""

LONGEST_STRING = 256
MOST_AXES = 2
LARGEST_COUNT = 1 << 63
SHORT = Repr()
"""For messages about what stands in a file, however much that is."""


def write_sections(path: Path, arrays: Mapping[str, NDArray[np.generic]], metadata: Mapping[str, str]) -> None:
    """Write arrays and strings, the widest types first.

    Raises ``InputError`` for a string of more than ``LONGEST_STRING`` characters and when the folder does not take the file.
    """
    header: dict[str, Any] = {"__metadata__": _strings(dict(metadata))}
    ordered = {name: array.astype(array.dtype.newbyteorder("<"), copy=False) for name, array in arrays.items()}
    ordered = dict(sorted(ordered.items(), key=lambda item: -item[1].dtype.itemsize))
    end = 0
    for name, array in ordered.items():
        begin, end = end, end + array.nbytes
        header[name] = {"dtype": NAMES[array.dtype], "shape": list(array.shape), "data_offsets": [begin, end]}
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    write_parts(path, chain([len(text).to_bytes(8, "little"), text], (array.tobytes() for array in ordered.values())))


def read_sections(path: Path) -> tuple[dict[str, NDArray[np.generic]], dict[str, str]]:
    """Arrays and strings of a file; raises ``InputError`` for a file that cannot be read or is malformed in any way."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(0)
            header, start = _read_header(file, size)
            metadata = _strings(header.pop("__metadata__", {}))
            places = {name: _place(name, entry) for name, entry in header.items()}
            _check_gapless(places, size - start)
            return {
                name: _read(file, start + begin, dtype, shape) for name, (dtype, shape, begin, _) in places.items()
            }, metadata
    except OSError as error:
        raise InputError(
            f"{str(path)!r} cannot be read: {error.strerror}; a file in the layout of safetensors is needed"
        ) from None
    except InputError as error:
        raise InputError(f"{str(path)!r} is malformed: {error}") from None


Place = tuple[np.dtype[Any], tuple[int, ...], int, int]
"""Type, shape, first byte and the byte after the last one."""


def _read_header(file: BinaryIO, size: int) -> tuple[dict[str, Any], int]:
    """The header and the offset [byte] of the first array."""
    length = int.from_bytes(file.read(8), "little")
    largest = min(LARGEST_HEADER, size - 8)
    if not 2 <= length <= largest:
        raise InputError(f"the header of a file of {size} bytes has 2 to {largest} bytes, not {length}")
    try:
        header = json.loads(file.read(length).decode(), object_pairs_hook=_without_duplicates)
    except (RecursionError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"the header is a JSON object, not {type(error).__name__}") from None
    if not isinstance(header, dict):
        raise InputError(f"the header is a JSON object, not {type(header).__name__}")
    return header, 8 + length


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise InputError(f"names in the header are all different, not {SHORT.repr([name for name, _ in pairs])}")
    return found


def _strings(metadata: object) -> dict[str, str]:
    if not isinstance(metadata, dict) or not all(isinstance(text, str) for text in metadata.values()):
        raise InputError(f"__metadata__ has strings only, not {SHORT.repr(metadata)}")
    for text in metadata.values():
        if len(text) > LONGEST_STRING:
            raise InputError(f"strings have at most {LONGEST_STRING} characters, not {len(text)} as {SHORT.repr(text)}")
    return metadata


def _place(name: str, entry: object) -> Place:
    if not isinstance(entry, dict) or entry.keys() != {"dtype", "shape", "data_offsets"}:
        raise InputError(f"array {SHORT.repr(name)} has dtype, shape and data_offsets, not {SHORT.repr(entry)}")
    dtype = choose("dtype", SHORT.repr(entry["dtype"]).strip("'"), DTYPES)
    name, shape, offsets = SHORT.repr(name), entry["shape"], entry["data_offsets"]
    if not _are_counts(shape) or len(shape) > MOST_AXES:
        raise InputError(f"shape of array {name} has at most {MOST_AXES} sizes, not {SHORT.repr(shape)}")
    length = math.prod(shape) * dtype.itemsize
    if not _are_counts(offsets) or len(offsets) != 2 or offsets[1] - offsets[0] != length:
        raise InputError(f"data_offsets of array {name} are {length} bytes apart, not {SHORT.repr(offsets)}")
    return dtype, tuple(shape), offsets[0], offsets[1]


def _are_counts(numbers: object) -> bool:
    return isinstance(numbers, list) and all(type(number) is int and 0 <= number < LARGEST_COUNT for number in numbers)


def _check_gapless(places: Mapping[str, Place], size: int) -> None:
    """Arrays follow each other and fill the file."""
    end = 0
    for _, _, begin, after in sorted(places.values(), key=lambda place: place[2:]):
        if begin != end:
            raise InputError(f"arrays follow each other without gap or overlap, so one begins at byte {end}, not {begin}")
        end = after
    if end != size:
        raise InputError(f"arrays fill the {size} bytes after the header, not {end}")


def _read(file: BinaryIO, offset: int, dtype: np.dtype[Any], shape: tuple[int, ...]) -> NDArray[np.generic]:
    file.seek(offset)
    array = np.fromfile(file, dtype=dtype, count=math.prod(shape))
    if array.size != math.prod(shape):
        raise InputError(f"arrays stay while they are read, {math.prod(shape)} numbers and not {array.size}")
    return array.reshape(shape).astype(dtype.newbyteorder("="), copy=False)
