"""A trace in one file: operands as tensors in safetensors, everything else as JSON in the file's metadata.

Metadata ``shiftwise_trace``: ``version``, the fields of a :class:`~workloads.model_trace.ModelTrace`, and ``operators`` in
order, each with its ``kind`` and sizes and the ``share`` of the model's multiply-accumulates that it does. The operands of
the operator at place 7 are ``7.activations [count, m, k]`` and ``7.weights [count, k, n]`` in fp32. To read a file runs
nothing that is in it.
"""

import dataclasses
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from sim.errors import InputError
from sim.files import write_parts
from sim.operators import PRODUCT_KINDS, Operator, Product, VectorWork
from workloads.model_trace import ModelTrace, read

KEY, VERSION = "shiftwise_trace", 1
OPERANDS = ("activations", "weights")
PLAIN = ("name", "parameters", "sequence", "tokens", "unknown")
"""Fields that are JSON as they are."""


def save_trace(trace: ModelTrace, path: str | Path) -> None:
    """Write a trace; raises ``InputError`` when the folder does not take the file."""
    rows = [dataclasses.asdict(op) | {"share": share} for op, share in zip(trace.operators, trace.shares, strict=True)]
    told = {"version": VERSION} | {name: getattr(trace, name) for name in PLAIN} | {"operators": rows}
    tensors = {
        f"{place}.{which}": np.ascontiguousarray(read(operand), dtype=np.float32)
        for place, pair in trace.operands.items()
        for which, operand in zip(OPERANDS, pair, strict=True)
    }
    write_parts(Path(path), [save(tensors, metadata={KEY: json.dumps(told)})])


def load_trace(path: str | Path) -> ModelTrace:
    """The trace in a file that :func:`save_trace` wrote; raises ``InputError`` for any other."""
    try:
        with safe_open(path, framework="numpy") as file:
            told, tensors = (file.metadata() or {}).get(KEY), {name: file.get_tensor(name) for name in file.offset_keys()}
    except OSError as error:
        raise InputError(f"trace {str(path)!r} cannot be read: {error.strerror or error}") from None
    except (SafetensorError, TypeError) as error:
        raise InputError(f"{str(path)!r} is not a trace, which is a whole safetensors file: {error}") from None
    if told is None:
        raise InputError(f"{str(path)!r} is not a trace: its metadata have {KEY!r}, which this file has not")
    try:
        return _trace(json.loads(told), tensors)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        what = f"lacks {error}" if isinstance(error, KeyError) else str(error)
        raise InputError(f"{str(path)!r} is not a trace of version {VERSION}: {what}") from None


def _trace(told: dict[str, Any], tensors: dict[str, Any]) -> ModelTrace:
    if told["version"] != VERSION:
        raise ValueError(f"its version is {told['version']!r}")
    operators: list[Operator] = []
    for row in told["operators"]:
        operators.append(_operator({k: v for k, v in row.items() if k != "share"}, len(operators)))
    plain = {name: told[name] for name in PLAIN}
    counts = [plain["parameters"], plain["sequence"], plain["tokens"], *plain["unknown"].values()]
    if not isinstance(plain["name"], str) or not all(map(_is_count, counts)):
        raise ValueError(f"a name and counts are needed, not {plain}")
    pairs = {place: _operands(operators, place, tensors) for place in sorted({_place(name) for name in tensors})}
    return ModelTrace(**plain, operators=tuple(operators), operands=pairs)


def _operator(row: dict[str, Any], place: int) -> Operator:
    sizes = {name: value for name, value in row.items() if name not in ("name", "kind", "inputs", "weight_format")}
    inputs, words = row["inputs"], (row["name"], row.get("weight_format", ""))
    if not all(isinstance(word, str) for word in words) or not all(map(_is_count, [*sizes.values(), *inputs])):
        raise ValueError(f"operator {place} has a name and counts, not {row}")
    if any(before >= place for before in inputs):
        raise ValueError(f"inputs of operator {place} come before it, not {inputs}")
    kind: type[Product | VectorWork] = Product if row["kind"] in PRODUCT_KINDS else VectorWork
    return kind(**row | {"inputs": tuple(inputs)})


def _place(name: str) -> int:
    place, _, which = name.partition(".")
    if not place.isdecimal() or which not in OPERANDS:
        raise ValueError(f"tensors are called as 7.activations or 7.weights, not {name!r}")
    return int(place)


def _operands(operators: list[Operator], place: int, tensors: dict[str, Any]) -> tuple[Any, Any]:
    p = operators[place] if place < len(operators) else None
    if not isinstance(p, Product):
        raise ValueError(f"operands belong to products, which operator {place} is not")
    a, w = (tensors[f"{place}.{which}"] for which in OPERANDS)
    for found, needed in ((a, (p.count, p.m, p.k)), (w, (p.count, p.k, p.n))):
        if found.shape != needed or found.dtype != np.float32:
            raise ValueError(f"operands of {p.name} are float32 of shape {needed}, not {found.dtype} of {found.shape}")
        if not math.isfinite(float(np.abs(found).max())):
            raise ValueError(f"operands of {p.name} are finite numbers")
    return a, w


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0
