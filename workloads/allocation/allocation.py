"""An allocation: the weights' format of each layer, of each of its outputs, or of each of its blocks of inputs.

Parts of one format are products of their own (:class:`workloads.recipes.layer.QuantizedLayer`), in the order of their widths.
"""

import json
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sim.design import DesignPoint
from sim.errors import InputError, choose
from sim.files import write_whole
from sim.formats import FORMATS
from sim.operators import Operator, Product
from sim.quantized import Scheme
from sim.widths import Part, cut, with_format
from workloads.recipes.clipping import slices_of
from workloads.recipes.layer import QuantizedLayer, Recipe
from workloads.recipes.mixed import of_parts

PER = {
    "layer": "a linear layer, all experts of one together",
    "row": "an output of a layer, a row of its weights as torch has them",
    "block": "a group of inputs of a layer, for all its outputs",
}
"""What has one format."""


@dataclass(frozen=True)
class Allocation:
    """``layers`` by name: a format for each of their units (``per``), in their order; other layers have the design's own.

    ``group_size`` [input] is a block's. Raises ``InputError`` for a kind of unit, a format or a group that there is not.
    """

    per: str
    group_size: int
    layers: Mapping[str, tuple[str, ...]]

    def __post_init__(self) -> None:
        choose("unit of an allocation", self.per, PER)
        if self.group_size < 1:
            raise InputError(f"group_size of an allocation is at least 1, not {self.group_size}")
        for name in set().union(*self.layers.values()):
            choose("weight format", name, FORMATS)

    def formats_of(self, product: str) -> tuple[str, ...]:
        """Those of a product; experts, whose numbers are behind the layer's name, have those of the layer."""
        return self.layers.get(layer_of(product, self.layers), ())

    def recipe(self, product: str, inner: Recipe) -> Recipe:
        """``inner`` on the product's parts, each in its format."""
        formats = self.formats_of(product)
        return partial(allocated, formats=formats, per=self.per, inner=inner) if formats else inner

    def parts(self, operators: Iterable[Operator]) -> dict[str, tuple[Part, ...]]:
        """The parts of each product, as :func:`sim.widths.cut` takes them."""
        return {
            operator.name: tuple(_sizes(operator, self.per, self.layers[operator.name], self.group_size))
            for operator in operators
            if isinstance(operator, Product) and operator.name in self.layers
        }

    def check(self, design: DesignPoint, operators: Iterable[Operator]) -> None:
        """Raise ``InputError`` for formats that the design's PE does not multiply, and for layers or units that do not fit."""
        products = {operator.name: operator for operator in operators if isinstance(operator, Product)}
        linear = {name: product for name, product in products.items() if product.kind == "linear"}
        if self.per == "block" and self.group_size != design.group_size:
            raise InputError(
                f"blocks of an allocation are groups of the design's {design.group_size} inputs, not of {self.group_size}"
            )
        for name in sorted(set().union(*self.layers.values())):
            with_format(design, name)
        for name, formats in self.layers.items():
            product = choose("layer of an allocation", name, linear)
            units = units_of(self.per, product.k, product.n, self.group_size)
            if len(formats) != units:
                raise InputError(f"layer {name!r} of an allocation per {self.per} has {units} formats, not {len(formats)}")


def units_of(per: str, k: int, n: int, group_size: int) -> int:
    """How many units weights ``[k, n]`` have."""
    return {"layer": 1, "row": n, "block": -(-k // group_size)}[per]


def layer_of(product: str, layers: Collection[str]) -> str:
    """The layer that a product is of: experts have their numbers behind the layer's name."""
    return product if product in layers else product.rpartition(".")[0]


def allocated(
    weights: NDArray[np.float32],
    activations: NDArray[np.float32],
    scheme: Scheme,
    formats: tuple[str, ...],
    per: str,
    inner: Recipe,
) -> QuantizedLayer:
    """A layer whose units are in formats with the scheme's scales; ``inner`` without a boundary where there are several."""
    k, n = weights.shape
    schemes = {name: Scheme(FORMATS[name], scheme.levels, scheme.zero, scheme.group_size) for name in ordered(formats)}
    if len(schemes) == 1:
        return inner(weights, activations, next(iter(schemes.values())))
    chosen, every_k, every_n = np.array(formats), np.arange(k), np.arange(n)
    if per == "row":
        parts = [(every_k, np.flatnonzero(chosen == name), own) for name, own in schemes.items()]
    else:
        blocks = slices_of(k, scheme.group_size)
        of_inputs = np.concatenate([np.repeat(name, b.stop - b.start) for name, b in zip(formats, blocks, strict=True)])
        parts = [(np.flatnonzero(of_inputs == name), every_n, own) for name, own in schemes.items()]
    bits_of_unit = (len(schemes) - 1).bit_length()
    return of_parts(weights, activations, parts, inner, bits_of_unit * len(formats))


def ordered(formats: Iterable[str]) -> list[str]:
    """Each format once, the narrowest first."""
    return sorted(set(formats), key=lambda name: (FORMATS[name].bits, name))


def _sizes(product: Product, per: str, formats: tuple[str, ...], group_size: int) -> Iterator[Part]:
    if per == "block":
        blocks = slices_of(product.k, group_size)
        sizes = Counter[str]()
        for name, block in zip(formats, blocks, strict=True):
            sizes[name] += block.stop - block.start
    else:
        sizes = Counter(formats)
    for name in ordered(formats):
        k, n = (sizes[name], product.n) if per == "block" else (product.k, sizes[name] if per == "row" else product.n)
        yield Part(name, k, n)


def mean_bits(allocation: Allocation, design: DesignPoint, operators: Iterable[Operator]) -> float:
    """Mean width [bit] of the codes of a model's linear layers, scales not counted."""
    bits = weights = 0
    linear = [o for o in operators if isinstance(o, Product) and o.kind == "linear"]
    parts = allocation.parts(linear)
    for product in linear:
        own = parts.get(product.name, (Part(design.weight_format, product.k, product.n),))
        bits += product.count * sum(FORMATS[part.weight_format].bits * part.k * part.n for part in own)
        weights += product.count * product.k * product.n
    return bits / weights


def allocated_operators(
    design: DesignPoint, operators: Sequence[Operator], allocation: Allocation | None
) -> tuple[Operator, ...]:
    """A model's operators with products of the parts of an allocation, if there is one. Raises as :meth:`Allocation.check`."""
    if allocation is None:
        return tuple(operators)
    allocation.check(design, operators)
    return cut(operators, allocation.parts(operators))


def write_allocation(allocation: Allocation, path: Path) -> None:
    """Write a JSON file that :func:`load_allocation` reads."""
    told = {"per": allocation.per, "group_size": allocation.group_size, "layers": allocation.layers}
    write_whole(path, json.dumps(told) + "\n")


def load_allocation(path: str | Path) -> Allocation:
    """The allocation in a JSON file. Raises ``InputError`` for a file that has none."""
    try:
        told: Any = json.loads(Path(path).read_bytes())
    except OSError as error:
        raise InputError(f"allocation file {str(path)!r} cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise InputError(f"allocation file {str(path)!r} is not JSON: {error}") from None
    fields = {"per": str, "group_size": int, "layers": dict}
    if not isinstance(told, dict) or {name: type(value) for name, value in told.items()} != fields:
        raise InputError(f"allocation file {str(path)!r} has a text per, a number group_size and an object layers, no more")
    for name, formats in told["layers"].items():
        if not (isinstance(formats, list) and formats and all(isinstance(one, str) for one in formats)):
            raise InputError(f"layer {name!r} of allocation file {str(path)!r} has a list of formats, not {formats!r}")
    layers = {name: tuple(formats) for name, formats in told["layers"].items()}
    return Allocation(told["per"], told["group_size"], layers)
