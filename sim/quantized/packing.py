"""Quantized tensors as they are stored: codes packed bit by bit, and one file for a tensor.

The file is in the layout of safetensors (:mod:`sim.quantized.sections`), with the arrays

    codes       U8 [ceil(rows * columns * bits / 8)]    packed codes in C order
    scale_<i>   F32, F16, U16 or U8, of the level's shape; level 0 is the outermost; codes of bf16, E8M0, E4M3, int8 as they are
    zero        U8 [ceil(count * bits / 8)] packed unsigned integers, or F16 of the innermost level's shape: minima
    table       F16 [2**bits] numbers of a code book that no name tells, in the order of their codes

and the strings ``layout``, ``format`` (name), ``levels`` ("tensor fp32, group ocp_e4m3", outermost first), ``zero``,
``group_size``, ``fitted``, ``shape`` ("4096 4096"), ``axis``. Each array has the bits that a scheme counts, rounded up
to bytes; scales and minima that are products of two numbers (fp16_uint6, fp16_int8) are fp32 numbers.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sim.errors import InputError, choose, demand
from sim.quantized.blocks import N
from sim.quantized.scheme import ELEMENT_FORMATS, OPERANDS, Axis, ScaleLevel, Scheme, table_format
from sim.quantized.sections import SHORT, read_sections, write_sections
from sim.quantized.tensor import QuantizedTensor

LAYOUT = "shiftwise quantized tensor 1"
BLOCK = 1 << 20
"""Codes that are packed at a time, a multiple of 8, so that each block begins with a byte."""


def pack_codes(codes: NDArray[np.unsignedinteger], bits: int) -> NDArray[np.uint8]:
    """Codes of any shape, in C order, as a stream of bytes ``[ceil(codes * bits / 8)]``.

    Code ``i`` has bits ``i * bits`` to ``i * bits + bits - 1`` of the stream, its least significant bit first; bit ``j``
    of the stream is bit ``j % 8`` of byte ``j // 8``; the last byte is filled with zeros. Raises ``InputError`` for a width
    that is not 1 to 16 and for a code that is wider.
    """
    _check_width(bits)
    demand("codes", codes, np.ndarray)
    if codes.dtype.kind not in "iu":
        raise InputError(f"codes are integers, not of type {codes.dtype}")
    flat = codes.reshape(-1)
    if flat.size and int(flat.max()) >> bits:
        raise InputError(f"codes of {bits} bits are at most {(1 << bits) - 1}, not {flat.max()}")
    if bits % 8 == 0:
        return flat.astype(f"<u{bits // 8}").view(np.uint8)
    packed = np.empty(-(-flat.size * bits // 8), dtype=np.uint8)
    for start in range(0, flat.size, BLOCK):
        block = flat[start : start + BLOCK].astype("<u2").view(np.uint8).reshape(-1, 2)
        stream = np.unpackbits(block, axis=1, count=bits, bitorder="little")
        part = np.packbits(stream.reshape(-1), bitorder="little")
        packed[start * bits // 8 :][: part.size] = part
    return packed


def unpack_codes(packed: NDArray[np.uint8], bits: int, count: int) -> NDArray[np.unsignedinteger]:
    """``count`` codes of a stream that :func:`pack_codes` wrote, as uint8, or as uint16 if they are wider than 8 bits.

    Raises ``InputError`` for a width that is not 1 to 16, a stream of another length or one that is not filled with zeros.
    """
    _check_width(bits)
    if packed.shape != (-(-count * bits // 8),):
        raise InputError(f"{count} codes of {bits} bits take {-(-count * bits // 8)} bytes, not {packed.size}")
    unused = packed.size * 8 - count * bits
    if unused and packed[-1] >> (8 - unused):
        raise InputError(f"the last {unused} bits of packed codes are 0, not {packed[-1] >> (8 - unused):#x}")
    if bits % 8 == 0:
        return np.ascontiguousarray(packed).view(f"<u{bits // 8}").astype(f"u{bits // 8}")
    codes: NDArray[np.unsignedinteger] = np.empty(count, dtype=np.uint8 if bits <= 8 else np.uint16)
    for start in range(0, count, BLOCK):
        size = min(BLOCK, count - start)
        stream = np.unpackbits(packed[start * bits // 8 :], count=size * bits, bitorder="little").reshape(size, bits)
        part = np.packbits(stream, axis=1, bitorder="little")
        codes[start : start + size] = part.view(codes.dtype.newbyteorder("<"))[:, 0]
    return codes


def _check_width(bits: int) -> None:
    if not 1 <= bits <= 16:
        raise InputError(f"codes have 1 to 16 bits, not {bits}")


def write_tensor(tensor: QuantizedTensor, path: str | Path) -> None:
    """Write a tensor to a file that is whole or not there; raises ``InputError`` when the folder does not take it."""
    scheme = tensor.scheme
    arrays: dict[str, NDArray[np.generic]] = {"codes": pack_codes(tensor.codes, scheme.format.bits)}
    for index, scales in enumerate(tensor.scales):
        arrays[f"scale_{index}"] = scales
    if tensor.zero is not None:
        arrays["zero"] = tensor.zero if scheme.zero == "minimum" else pack_codes(tensor.zero_point, scheme.format.bits)
    if scheme.has_table:
        arrays["table"] = scheme.format.reals.astype(np.float16)
    write_sections(Path(path), arrays, _strings_of(tensor))


def read_tensor(path: str | Path) -> QuantizedTensor:
    """The tensor of a file; raises ``InputError`` for a file that cannot be read or does not hold one, whole and in range."""
    arrays, strings = read_sections(Path(path))
    try:
        scheme, shape, axis = _recipe(strings, arrays)
        _check_sizes(arrays, scheme, shape, axis)
        codes = unpack_codes(_row(arrays, "codes", np.uint8), scheme.format.bits, shape[0] * shape[1]).reshape(shape)
        scales = tuple(arrays[f"scale_{index}"] for index in range(len(scheme.levels)))
        zero = arrays.get("zero")
        if scheme.zero == "integer":
            finest = scheme.finest_shape(shape, axis)
            zero = unpack_codes(_row(arrays, "zero", np.uint8), scheme.format.bits, finest[0] * finest[1]).reshape(finest)
        return QuantizedTensor(codes, scheme, axis, scales, zero)
    except InputError as error:
        raise InputError(f"{str(path)!r} is not a quantized tensor: {error}") from None


def _strings_of(tensor: QuantizedTensor) -> dict[str, str]:
    scheme = tensor.scheme
    return {
        "layout": LAYOUT,
        "format": scheme.format.name,
        "levels": ", ".join(f"{level.per} {level.format}" for level in scheme.levels),
        "zero": scheme.zero,
        "group_size": str(scheme.group_size),
        "fitted": str(scheme.fitted),
        "shape": f"{tensor.shape[0]} {tensor.shape[1]}",
        "axis": str(tensor.axis),
    }


def _recipe(strings: Mapping[str, str], arrays: Mapping[str, NDArray[np.generic]]) -> tuple[Scheme, tuple[int, int], Axis]:
    expected = {"layout", "format", "levels", "zero", "group_size", "fitted", "shape", "axis"}
    if strings.keys() != expected or strings["layout"] != LAYOUT:
        raise InputError(
            f"its strings are {', '.join(sorted(expected))}, with layout {LAYOUT!r}, not {SHORT.repr(dict(strings))}"
        )
    format_ = (
        table_format(strings["format"], _row(arrays, "table", np.float16))
        if "table" in arrays
        else choose("element format", strings["format"], ELEMENT_FORMATS)
    )
    levels = [level.split(" ") for level in strings["levels"].split(", ") if level]
    if any(len(level) != 2 for level in levels):
        raise InputError(f"levels of scales are 'per format', separated by commas, not {strings['levels']!r}")
    fitted = choose("value of fitted", strings["fitted"], {"False": False, "True": True})
    axis = choose("reduction axis", strings["axis"], {str(axis): axis for axis in OPERANDS})
    sizes = [_count(size) for size in strings["shape"].split(" ")]
    if len(sizes) != 2 or 0 in sizes:
        raise InputError(f"shape is two sizes of at least 1, not {strings['shape']!r}")
    tree = tuple(ScaleLevel(per, format_) for per, format_ in levels)
    scheme = Scheme(format_, tree, strings["zero"], _count(strings["group_size"]), fitted)
    scheme.check_axis(axis)
    return scheme, (sizes[0], sizes[1]), axis


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 20):
        raise InputError(f"sizes are decimal numbers of at most 19 digits, not {text!r}")
    return int(text)


def _check_sizes(arrays: Mapping[str, NDArray[np.generic]], scheme: Scheme, shape: tuple[int, int], axis: Axis) -> None:
    sections = scheme.section_bits(shape, axis)
    expected = {name: -(-bits // 8) for name, bits in sections.items()}
    kinds = {f"scale_{index}": level.scale_format for index, level in enumerate(scheme.levels)}
    if scheme.zero == "minimum":
        kinds["zero"] = scheme.minimum_format
    for name, kind in kinds.items():
        if kind.steps is not None:
            expected[name] = sections[name] // kind.bits * kind.dtype.itemsize
    found = {name: array.nbytes for name, array in arrays.items()}
    if found != expected:
        raise InputError(f"its arrays have {expected} bytes, not {SHORT.repr(found)}")


def _row(arrays: Mapping[str, NDArray[np.generic]], name: str, dtype: type[N]) -> NDArray[N]:
    array = arrays[name]
    if array.dtype != dtype or array.ndim != 1:
        raise InputError(f"array {name!r} is one row of {np.dtype(dtype)}, not {array.dtype} of shape {array.shape}")
    return array.view(dtype)
