"""Schemes that language models are quantized by, one line each; tests are parametrised over them."""

from sim.formats import FORMATS
from sim.formats.families import codebook
from sim.quantized.scheme import MXINT8, ScaleLevel, Scheme

CHANNEL = ScaleLevel("channel", "fp16")
TOKEN = ScaleLevel("token", "fp16")
GROUP = ScaleLevel("group", "fp16")

KMEANS4 = codebook("kmeans4", [step / 8 for step in range(-8, 8)])
"""16 codes; the numbers give way to those that are fitted to a tensor."""


def _mx(name: str) -> Scheme:
    return Scheme(MXINT8 if name == "mxint8" else FORMATS[name], (ScaleLevel("group", "e8m0"),), group_size=32)


SCHEMES: dict[str, Scheme] = {
    "fp16": Scheme(FORMATS["fp16"]),
    "bf16": Scheme(FORMATS["bf16"]),
    "int8_channel": Scheme(FORMATS["int8"], (CHANNEL,)),
    "int8_token": Scheme(FORMATS["int8"], (TOKEN,)),
    "uint8_token": Scheme(FORMATS["uint8"], (TOKEN,), "integer"),
    "int4_g128": Scheme(FORMATS["int4"], (GROUP,), group_size=128),
    "uint4_g64": Scheme(FORMATS["uint4"], (GROUP,), "integer", 64),
    "uint4_g128": Scheme(FORMATS["uint4"], (GROUP,), "integer", 128),
    "uint4_minimum_g64": Scheme(FORMATS["uint4"], (GROUP,), "minimum", 64),
    "int4_two_level": Scheme(FORMATS["int4"], (CHANNEL, ScaleLevel("group", "int8")), group_size=128),
    "mxfp4": _mx("e2m1"),
    "mxfp6_e2m3": _mx("e2m3"),
    "mxfp6_e3m2": _mx("e3m2"),
    "mxfp8_e4m3": _mx("ocp_e4m3"),
    "mxfp8_e5m2": _mx("ocp_e5m2"),
    "mxint8": _mx("mxint8"),
    "nvfp4": Scheme(FORMATS["e2m1"], (ScaleLevel("tensor", "fp32"), ScaleLevel("group", "ocp_e4m3")), group_size=16),
    "e4m3_channel": Scheme(FORMATS["ocp_e4m3"], (ScaleLevel("channel", "fp32"),)),
    "e4m3_token": Scheme(FORMATS["ocp_e4m3"], (ScaleLevel("token", "fp32"),)),
    "nf4_g64": Scheme(FORMATS["nf4"], (ScaleLevel("group", "fp32"),), group_size=64),
    "kmeans4_channel": Scheme(KMEANS4, (CHANNEL,), fitted=True),
    "log4_g128": Scheme(FORMATS["log4"], (GROUP,), group_size=128),
    "pot4_g128": Scheme(FORMATS["pot4"], (GROUP,), group_size=128),
    "apot5_g128": Scheme(FORMATS["apot5"], (GROUP,), group_size=128),
    "bipolar4_g128": Scheme(FORMATS["bipolar4"], (GROUP,), group_size=128),
}
"""``mx*``: OCP Microscaling v1.0 (2023): blocks of 32 with an E8M0 scale. ``nvfp4``: NVIDIA, "Introducing NVFP4"
(2025): blocks of 16 with an E4M3 scale, an fp32 scale of the tensor. ``nf4_g64``: QLoRA (Dettmers et al., NeurIPS 2023):
blocks of 64 with their absolute maximum in fp32. ``int4_two_level``: groups of 128 below a channel's fp16 scale, as QServe
(Lin et al., MLSys 2025) has them. ``e4m3_*``: fp32 scales, as torch's ``_scaled_mm`` takes them. ``uint4_minimum_*``: scale
and minimum of a block, as GGUF's Q4_1 has them."""
