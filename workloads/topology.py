"""SCALE-Sim's topology files: layers of convolutions or matrix products as CSV, read into products and written.

Formats (github.com/scalesim-project/SCALE-Sim, ``scalesim/topology_utils.py`` and ``topologies/``): the first line is a
header, which SCALE-Sim skips; rows end with a comma, and blank lines do not count.

    Layer name, IFMAP Height, IFMAP Width, Filter Height, Filter Width, Channels, Num Filter, Strides,
    Layer, M, N, K,

SCALE-Sim is told by a switch which of the two a file is (``-i gemm``), here the header tells. SCALE-Sim does not read
what stands after the last comma of a row; so a row without its last comma, which it reads wrongly or refuses, is read
here in full. A name of a convolution with ``DP`` in it is a depthwise one: as many layers as channels, of one channel each.

What users of SCALE-Sim must know to compare cycles:

* A convolution is the product of its im2col matrix: ``m`` output positions, ``k`` = filter height x width x channels,
  ``n`` filters. The IFMAP is meant with its padding. Output sizes are SCALE-Sim's, ``ceil((ifmap - filter + stride) /
  stride)``: rounded up, where libraries round down, so a stride that does not divide makes one row or column more.
* Its M, N, K are ``m``, ``n``, ``k`` here, also in the stationary dataflows. Rows and columns of the array, and what
  streams in time: output-stationary M, N and K; weight-stationary K, N and M; input-stationary K, M and N, as in
  :mod:`sim.array`. ``multi-core/analytical.py`` of its version 3 exchanges M and N in the latter two.
* Its simulator's folds take ``K + R + C - 2`` cycles output-stationary and ``2R + T + C - 2`` otherwise, which is
  ``compute_cycles`` here of a design that is not double-buffered and has all of k in one group. Its report has one less
  for each layer, the index of the last cycle (scalesim-project/SCALE-Sim#125).
* The equation of its papers (Samajdar et al., arXiv 1811.02883) is ``2R + C + T - 2`` for every fold of every dataflow:
  output-stationary that counts ``R`` cycles more, in which results are shifted out down the columns. Here each column has
  a bus, and results leave it beside the work of the next fold.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from sim.errors import InputError
from sim.files import write_whole
from sim.operators import Product

GEMM_COLUMNS = ("M", "N", "K")
CONVOLUTION_COLUMNS = (
    "IFMAP Height",
    "IFMAP Width",
    "Filter Height",
    "Filter Width",
    "Channels",
    "Num Filter",
    "Strides",
)
LARGEST_SIZE = 1 << 31
DEPTHWISE = "DP"

RATIO = re.compile(r"(\d+)\s*:\s*(\d+)")
"""Sparsity of version 3: so many of so many weights are kept."""

Parse = Callable[[Sequence[str]], Product]


def read_topology(path: str | Path) -> tuple[Product, ...]:
    """The layers of a topology file, in order, as products of ``kind`` linear.

    Depthwise convolutions and the batch column of newer matrix topologies become a product's ``count``. Raises
    ``InputError`` with the line and the value for what is not a topology, and for layers that are sparse.
    """
    try:
        lines = Path(path).read_text(encoding="utf-8-sig").split("\n")
    except OSError as error:
        raise InputError(f"topology {str(path)!r} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise InputError(f"topology {str(path)!r} is not a CSV file in UTF-8") from None
    products = []
    try:
        parse = _format(_fields(lines[0]))
        for number, line in enumerate(lines[1:], start=2):
            fields = _fields(line)
            if fields:
                products.append(_at_line(number, parse, fields))
    except InputError as error:
        raise InputError(f"topology {str(path)!r}, {error}") from None
    if not products:
        raise InputError(f"topology {str(path)!r} has at least one layer below its header, not none")
    return tuple(products)


def write_topology(products: Iterable[Product], path: str | Path) -> None:
    """Write products in the matrix form that all versions of SCALE-Sim read (``-i gemm``).

    A product with ``count`` above 1 is written so many times, its names numbered ``name_0``, ``name_1``: its
    batch column is younger than most copies of it. What the file cannot say, the kind and the inputs, is left out.
    Raises ``InputError`` for a name that would not be one field, for nothing to write, and when the file cannot be.
    """
    rows = ["Layer,M,N,K,"]
    for p in products:
        if p.name != p.name.strip() or any(mark in p.name for mark in ",\n\r"):
            raise InputError(f"names of a topology have no comma, line break or space at an end, not {p.name!r}")
        names = [p.name] if p.count == 1 else [f"{p.name}_{i}" for i in range(p.count)]
        rows += [f"{name},{p.m},{p.n},{p.k}," for name in names]
    if len(rows) == 1:
        raise InputError("a topology has at least one product, not none")
    write_whole(Path(path), "\n".join([*rows, ""]))


def _fields(line: str) -> list[str]:
    """The fields of a row; commas at its end, and spaces around fields, mean nothing."""
    fields = [field.strip() for field in line.split(",")]
    while fields and not fields[-1]:
        fields.pop()
    return fields


def _format(header: Sequence[str]) -> Parse:
    """How rows are read, from the header."""
    names = [field.casefold() for field in header[1:]]
    if names[:3] == [name.casefold() for name in GEMM_COLUMNS]:
        return _gemm
    if len(names) >= len(CONVOLUTION_COLUMNS) and names[0].startswith("ifmap"):
        return _convolution
    raise InputError(
        f"line 1: a header is 'Layer, {', '.join(GEMM_COLUMNS)},' or 'Layer name, {', '.join(CONVOLUTION_COLUMNS)},', "
        f"not {', '.join(header)!r}"
    )


def _at_line(number: int, parse: Parse, fields: Sequence[str]) -> Product:
    try:
        return parse(fields)
    except InputError as error:
        raise InputError(f"line {number}: {error}") from None


def _gemm(fields: Sequence[str]) -> Product:
    """A row of a matrix topology; behind its sizes may be a sparsity and a batch, an own product each."""
    m, n, k = _sizes(fields, GEMM_COLUMNS)
    rest = [field for field in fields[1 + len(GEMM_COLUMNS) :] if not _is_dense(field)]
    if len(rest) > 1:
        raise InputError(f"a row has a sparsity and a batch behind K at most, not {', '.join(rest)!r}")
    return Product(fields[0], m, k, n, count=_size("batch", rest[0]) if rest else 1)


def _convolution(fields: Sequence[str]) -> Product:
    """A row of a convolution topology; behind its stride may be a sparsity, or words that SCALE-Sim does not read."""
    height, width, filter_height, filter_width, channels, filters, stride = _sizes(fields, CONVOLUTION_COLUMNS)
    for field in fields[1 + len(CONVOLUTION_COLUMNS) :]:
        if not _is_dense(field) and any(map(str.isdigit, field)) and field != str(stride):
            raise InputError(f"strides are the same in both directions, {stride}, and nothing else follows, not {field!r}")
    if filter_height > height or filter_width > width:
        raise InputError(f"a filter is at most as large as its IFMAP, {height}x{width}, not {filter_height}x{filter_width}")
    positions = _outputs(height, filter_height, stride) * _outputs(width, filter_width, stride)
    window = filter_height * filter_width
    if DEPTHWISE in fields[0]:
        return Product(fields[0], positions, window, filters, count=channels)
    return Product(fields[0], positions, window * channels, filters)


def _outputs(size: int, filter_size: int, stride: int) -> int:
    """Output positions along one axis, as SCALE-Sim counts them."""
    return -(-(size - filter_size + stride) // stride)


def _sizes(fields: Sequence[str], columns: Sequence[str]) -> list[int]:
    if len(fields) <= len(columns):
        raise InputError(f"a row has a name and {', '.join(columns)}, not {', '.join(fields)!r}")
    return [_size(name, field) for name, field in zip(columns, fields[1:], strict=False)]


def _size(column: str, field: str) -> int:
    size = int(field) if field.isascii() and field.isdigit() and len(field) <= len(str(LARGEST_SIZE)) else 0
    if not 1 <= size <= LARGEST_SIZE:
        raise InputError(f"{column} is an integer between 1 and {LARGEST_SIZE}, not {field!r}")
    return size


def _is_dense(field: str) -> bool:
    """Whether a field is a sparsity that keeps every weight; raises ``InputError`` for one that does not."""
    ratio = RATIO.fullmatch(field)
    if ratio and ratio[1] != ratio[2]:
        raise InputError(f"layers are dense, with a sparsity of 1:1, not {field!r}")
    return ratio is not None
