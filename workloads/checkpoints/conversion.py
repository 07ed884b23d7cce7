"""From the names that tensors have in files to the parameters of transformers' models.

Files keep the names of the day they were written. Transformers has for each of its models what became of them since: other
names, experts in one tensor, a tensor in several parts (``transformers.conversion_mapping``). Its own loader applies that to
a whole model; here it is applied to one parameter at a time.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, replace
from types import SimpleNamespace

import torch
from torch import Tensor
from transformers import PreTrainedModel
from transformers.conversion_mapping import get_model_conversion_mapping
from transformers.core_model_loading import WeightConverter, WeightRenaming, dot_natural_key, rename_source_key

MASK = re.compile(r"\battn\.(attention\.)?(bias|masked_bias|causal_mask)$")
"""Buffers that GPT-J, GPT-Neo and CodeGen had: which keys a query sees ``[1, 1, n, n]``, and what the others score ``[]``."""

Read = Callable[[str], Tensor]
"""The tensor of that name in the files."""


@dataclass(frozen=True, eq=False)
class Source:
    """What parameters are made of: the ``names`` of tensors in the files, in the order in which they are put together.

    ``patterns`` are those by which the ``converter``, one of transformers', knows each of them; ``first`` is the first
    parameter that comes out. Without a converter it is the one tensor as it is.
    """

    network: PreTrainedModel
    converter: WeightConverter | None
    first: str
    names: tuple[str, ...]
    patterns: tuple[str, ...]

    def parameters(self, read: Read) -> dict[str, Tensor]:
        """All parameters that come out, by name."""
        if self.converter is None:
            return {self.first: read(self.names[0])}
        converter = deepcopy(self.converter)
        for name, pattern in zip(self.names, self.patterns, strict=True):
            converter.add_tensor(self.first, name, pattern, read(name))
        made = converter.convert(self.first, model=self.network, config=self.network.config)
        return {name: tensor[0] if isinstance(tensor, list) else tensor for name, tensor in made.items()}


def sources(network: PreTrainedModel, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Source]:
    """For each parameter of ``network``, what it is made of among tensors of those ``shapes``.

    Parameters without a source are left out; one that is tied to another has the other's source.
    """
    found: dict[str, Source] = {}
    for source in _collected(network, shapes):
        found |= dict.fromkeys(source.parameters(lambda name: torch.empty(shapes[name], device="meta")), source)
    for one, other in network.all_tied_weights_keys.items():
        for name, twin in ((one, other), (other, one)):
            if name not in found and twin in found:
                found[name] = replace(found[twin], first=name)
    return found


def without_place(network: PreTrainedModel, shapes: Mapping[str, tuple[int, ...]]) -> list[str]:
    """Tensors of those ``shapes`` that nothing in ``network`` is made of.

    Not among them are buffers of older files that it computes, or does without, and what transformers' own loader ignores.
    """
    known, computed = network.state_dict(), {name for name, _ in network.named_buffers()}
    left = {target: name for name, target, _ in _targets(network, shapes) if target not in known}
    loading = SimpleNamespace(missing_keys=set(), unexpected_keys=left.keys() - computed)
    network._adjust_missing_and_unexpected_keys(loading)
    names = sorted(left[target] for target in loading.unexpected_keys)
    return [name for name in names if not (MASK.search(name) and shapes[name][:-2] in ((), (1, 1)))]


def _collected(network: PreTrainedModel, names: Iterable[str]) -> Iterator[Source]:
    """Tensors that go together, as transformers' own loader puts them together."""
    known = network.state_dict()
    together: dict[str, dict[str, str | None]] = {}
    for name, target, pattern in _targets(network, names):
        if target in known:
            together.setdefault(target, {})[name] = pattern
    converters = [entry for entry in get_model_conversion_mapping(network) if isinstance(entry, WeightConverter)]
    by_pattern = {pattern: converter for converter in converters for pattern in converter.source_patterns}
    for target, patterns in together.items():
        first = next(iter(patterns.values()))
        converter = None if first is None else by_pattern[first]
        yield Source(network, converter, target, tuple(patterns), tuple(map(str, patterns.values())))


def _targets(network: PreTrainedModel, names: Iterable[str]) -> Iterator[tuple[str, str, str | None]]:
    """Each name, with that of the parameter that it is for, and the pattern of the converter that knows it."""
    mapping = get_model_conversion_mapping(network)
    renamings = [entry for entry in mapping if isinstance(entry, WeightRenaming)]
    converters = [entry for entry in mapping if isinstance(entry, WeightConverter)]
    prefix, known = network.base_model_prefix, network.state_dict()
    for name in sorted(names, key=dot_natural_key):
        target, pattern = rename_source_key(name, renamings, converters, prefix, known)
        is_unchanged = target not in known and name in known
        yield (name, name, None) if is_unchanged else (name, target, pattern)
