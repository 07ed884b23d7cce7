"""Components of a design synthesised one by one, as many at once as there are cores."""

import datetime
import os
import warnings
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import lru_cache
from types import MappingProxyType
from typing import Any

from costmodel.components import COMPONENTS, components_of, fields_of, key_of
from costmodel.measured import Measured
from costmodel.synthesis.run import Synthesis, start_tools, synthesise
from sim.design import DesignPoint


@dataclass(frozen=True)
class Source:
    """What of a design is synthesised: Verilog, the top module, and the modules inside it that are left out."""

    verilog: str
    top: str
    black_boxes: tuple[str, ...]


def source_of(design: DesignPoint, component: str, target: str) -> Source:
    """The Verilog of a component of a design. A slice of ``dsp_packed`` is one on UltraScale+, and its behaviour elsewhere."""
    from hdl.pe.dsp_slice import PRIMITIVE, DspSlice  # here, so that looking an area up does not wait for Amaranth

    part, modules = COMPONENTS[component], _modules(design)
    top = part.module(design)
    boxes = _matching(modules, part.without)
    names = [name for name in modules if name in {top, *_matching(modules, part.within), *boxes}]
    sliced = {DspSlice.module_name} if target in ("xcup", "xcup_dsp") else set()
    return Source("\n".join(PRIMITIVE if name in sliced else _verilog(design, name) for name in names), top, boxes)


@lru_cache(maxsize=1)
def _modules(design: DesignPoint) -> Mapping[str, Any]:
    """Components of the design's hardware by the name of their module."""
    from amaranth.hdl import UnusedElaboratable

    from hdl.export import components

    warnings.simplefilter("ignore", UnusedElaboratable)  # of components that nobody asks for
    return {part.module_name: part for part in components(design)}


@lru_cache(maxsize=64)
def _verilog(design: DesignPoint, module: str) -> str:
    from hdl.export import module_texts

    return "".join(module_texts([_modules(design)[module]]).values())


def _matching(names: Iterable[str], patterns: Iterable[str]) -> tuple[str, ...]:
    return tuple(name for name in names if any(fnmatchcase(name, pattern) for pattern in patterns))


def synthesise_component(design: DesignPoint, component: str, target: str) -> Synthesis:
    """Synthesise one component of a design. Raises as :func:`costmodel.synthesis.run.synthesise` does."""
    source = source_of(design, component, target)
    return synthesise(source.verilog, source.top, target, source.black_boxes)


def measure_component(design: DesignPoint, component: str, target: str) -> Measured:
    """A row for one component of a design. Raises as :func:`synthesise_component` does."""
    area = synthesise_component(design, component, target).area
    fields = MappingProxyType(fields_of(design, component))
    return Measured(component, fields, area, datetime.datetime.now(tz=datetime.UTC).date().isoformat())


def measure(
    design: DesignPoint, target: str, known: Sequence[Measured] = (), components: Collection[str] = COMPONENTS
) -> Iterator[Measured]:
    """A row for every one of a design's components that is not among ``known``, each as soon as it is synthesised.

    As many are synthesised at once as there are cores. Raises as :func:`measure_component` does, at once for an unknown
    target.
    """
    start_tools(target)
    keys = {row.key for row in known}
    missing = [name for name in components_of(design) if name in components and key_of(design, name, target) not in keys]
    for name in missing:
        source_of(design, name, target)  # one after the other, as Amaranth is no faster in threads
    return _measured(design, target, missing)


def _measured(design: DesignPoint, target: str, components: Sequence[str]) -> Iterator[Measured]:
    pool = ThreadPoolExecutor(os.cpu_count())
    try:
        runs = [pool.submit(measure_component, design, component, target) for component in components]
        for run in as_completed(runs):
            yield run.result()
    finally:
        pool.shutdown(cancel_futures=True)
