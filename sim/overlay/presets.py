"""Named overlays: keyword arguments of :class:`sim.overlay.design.OverlayDesign`, with their sources.

FlightLLM (Zeng et al., FPGA 2024, arXiv 2401.03868) states the clock of 225 MHz, 6,144 DSP slices in the matrix engine, N of 16
weights kept in each block, weights of 3, 4 and 5 bits with 3.5 in the mean, activations of 8 bits, and code shared by 16
lengths in decode and 128 in prefill. Which product has which width is not published: here values, which quantization hurts
most, have the most. N is 8 in the mean, the middle of what it allows. Sizes of buffers are those that its block memories hold.
"""

from typing import Any

FLIGHTLLM_FORMATS = (("query", "int3"), ("key", "int3"), ("value", "int5"), ("gate", "int3"), ("up", "int3"))
"""3.5 bits in the mean of LLaMA-2-7B's weights, what is not named having 4."""

_FLIGHTLLM = {"formats": FLIGHTLLM_FORMATS, "per_block": True}
"""N is chosen for each block, as in FlightLLM, within the groups that :mod:`sim.overlay.budget` describes."""

_VHK158 = {"device": "vhk158", "memory": "hbm2e", "channels": 16, "ports": 32, "port_bits": 512, "memory_gib": 32}
"""One port of the network on the chip, 512 bit wide (AMD PG313, NMU512), for each of 32 pseudo channels: an assumption."""

_KV260 = {
    "device": "kv260",
    "memory": "ddr4_2400",
    "channels": 1,
    "ports": 6,
    "port_bits": 128,
    "memory_gib": 4,
    "units": 2,
    "vector_units": 2,
    "slots": 2,
    "slot_kib": 256,
    "activation_buffer_kib": 512,
    "special_lanes": 16,
    "prefill_step": 4,
}
"""Six ports of the processing system with 128 bit each (AMD UG1085); two units, whose passes take the four tokens of a step
of prefill. Block memories limit it: with smaller slots there would be more vector units, which decode no faster."""

_DENSE = {"formats": FLIGHTLLM_FORMATS, "sparse": False, "kept": 16, "chain": 16}
"""An index of 4 bits for each kept weight is more than the weight itself: at 3.5 bits, half of the weights with their indices
are 3.75 bits a weight, all of them without 3.5. What decode waits for is the memory, so dense weights are faster there, no
accuracy is pruned away, and the multiplexers are saved. Twice the multipliers share a vector unit's sums and scaling, and in
decode each has two weights a cycle. Vector units and slots are those that fit the board together, with two copies of the weight
buffer; of these prefill is fastest, and decode is within 1 % of the fastest."""

_DFX = {
    "clock_mhz": 200,
    "units": 1,
    "vector_units": 1,
    "chain": 512,
    "element": "fp16_tree",
    "sparse": False,
    "weight_format": "fp16",
    "kept": 16,
    "slots": 2,
    "slot_kib": 512,
    "activation_buffer_kib": 2048,
    "port_bits": 512,
    "prefill_step": 1,
}
"""DFX (Hong et al., MICRO 2022, arXiv 2209.10797, read in summaries of the paper): 200 MHz; fp16 parameters; a tile of ``d =
64`` numbers along ``k`` and ``l = 16`` lanes; all 32 channels of the HBM with 512 bit a cycle each; a vector unit of ``d``
lanes and double buffers of all operands. Assumed, as it is not said there: what a buffer holds, here 16 columns of up to 16,000
numbers, and an activation buffer for a context of 1,024 tokens. A vector unit of DFX takes an instruction for each elementary
operation; here it is the special-function unit of the other designs."""

PRESETS: dict[str, dict[str, Any]] = {
    "flightllm-u280": _FLIGHTLLM,
    "flightllm-vhk158": {**_FLIGHTLLM, **_VHK158},
    "flightllm-kv260": {**_FLIGHTLLM, **_KV260, "vector_units": 3, "slot_kib": 192},
    "dense-u280": {**_DENSE, "units": 16, "vector_units": 5, "slots": 3, "slot_kib": 672},
    "dense-vhk158": {**_DENSE, **_VHK158, "units": 8, "vector_units": 15, "special_lanes": 32},
    "dense-kv260": {**_DENSE, **_KV260},
    "dfx-u280": _DFX,
}
