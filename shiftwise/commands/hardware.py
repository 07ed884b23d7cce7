"""Commands about a design's hardware: ``generate``, ``verify``, ``synth``, ``fit``."""

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from shiftwise.commands.shared import Design, Json, Out, count, print_table


def generate(design: Design = "mixpe-w4a8", out: Out = Path("build/generate"), as_json: Json = False) -> None:
    """Write the design's hardware: Verilog, each module once, a test bench with vectors, scripts, and `manifest.json`.

    `bench.v` needs no Python: it drives the processing element and the whole accelerator with the `.vectors` files and
    compares every output with what the model computed, in its cycle. `vivado.tcl` and `yosys_*.ys` synthesise all of it for
    UltraScale+, ECP5 and standard cells. The manifest has ports, widths, latencies, the command that runs the bench, and
    tool versions.

    Of an overlay it is a scaled-down accelerator with two vector units and small buffers, with a vector unit and a compiled
    decode step and prefill of a few products in the bench.
    """
    from hdl.delivery import MANIFEST
    from shiftwise.generation import generate as run_generation

    export = run_generation(design, out)
    if as_json:
        print((out / MANIFEST).read_text(), end="")
    else:
        print_table(("file", "bytes"), ((path, path.stat().st_size) for path in export.files))


def verify(
    design: Design = "mixpe-w4a8",
    model: Annotated[str, typer.Option(help="The model whose traced operands go through the array.")] = "tiny-stdlib",
    out: Out = Path("build/verify"),
    as_json: Json = False,
) -> None:
    """Build the design's Verilog with Verilator and find it equal to the model, in every bit and every cycle.

    All operand pairs go through the single PE; random products in several group sizes, and tiles of traced operands, through
    a 4x4 array. Beside `verification.json` there are a JUnit file and a summary; of the first difference a waveform is kept.
    """
    from shiftwise.generation import hardware_design
    from shiftwise.verified import VERDICT, check_own
    from sim.files import check_output
    from workloads.embedded import model_folder

    check_output(out)
    check_own(out)
    hardware_design(design)
    model_folder(model)

    from shiftwise.verification import verify as run_verification

    verification = run_verification(design, model, out, announce=lambda line: print(line, file=sys.stderr))
    if as_json:
        print((out / VERDICT).read_text(), end="")
        return
    pe, products = verification.pe, verification.products
    rows = [(f"{verification.design} PE", pe.pairs, pe.groups, pe.cycles)]
    rows += [(name, verdict.results, verdict.groups, verdict.cycles) for name, verdict in products.items()]
    print_table(("equal in every bit and cycle", "pairs or results", "groups", "cycles compared"), rows)


def synth(
    design: Design = "mixpe-w4a8",
    target: Annotated[
        str,
        typer.Option(
            help="`xcup` (UltraScale+ LUTs), `xcup_dsp` (with DSP slices), `ecp5` (placed and routed), `sky130` (standard "
            "cells), or a Liberty file with standard cells."
        ),
    ] = "sky130",
    as_json: Json = False,
) -> None:
    """Synthesise the design's components: how large each is, how many there are, and what share of the design that is.

    Below is what the cells of a processing element are for: decoding a code, the product, the sum, registers, control. On
    `sky130` its netlist is also fed with traced operands, and what a MAC takes is measured from the toggles.

    All is of the generated Verilog, and on a target with a name it is remembered for `simulate`. Results of synthesis are
    kept, so that nothing is synthesised twice.

    Example: shiftwise synth --design mixpe-w4a8 --target NangateOpenCellLibrary_typical.lib
    """
    from shiftwise.progress import shown_progress
    from shiftwise.synthesis import ENERGY
    from shiftwise.synthesis import synth as run_synthesis

    with shown_progress() as tell:
        found = run_synthesis(design, target, tell)
    if as_json:
        totals = {found.unit: found.total, "dsps": found.dsps}
        parts = {"components": found.rows, "totals": totals, "pe": found.pe_rows, "mac_energy_pJ": found.mac_energy}
        print(json.dumps({"design": found.design, "target": target, **parts}, indent=2))
        return
    numbers = dict.fromkeys(name for share in found.components.values() for name in share.measured.area.numbers)
    header = ("component", *(name for name in numbers if not name.endswith(ENERGY)), "instances", "total", "share")
    rows = ({**row, "total": f"{row['total']:.6g}", "share": f"{row['share']:.1%}"} for row in found.rows)
    print_table(header, ([row.get(name, "") for name in header] for row in rows))
    beside = f" and {found.dsps:.6g} DSP slices" if found.dsps else ""
    print(f"{found.design} on {target}: {found.total:.6g} {found.unit}{beside}, memories not in it; of a PE:")
    cells = [{**row, "share": f"{row['share']:.1%}"} for row in found.pe_rows]
    print_table(cells[0], (row.values() for row in cells))
    if found.mac_energy:
        print("a MAC [pJ] with traced operands and with uniform ones, and what the former is made of; glitches are in none:")
        print_table(found.mac_energy, [[f"{energy:.4g}" for energy in found.mac_energy.values()]])


def fit(
    design: Design = "mixpe-w4a8",
    device: Annotated[
        str | None,
        typer.Option(help="An FPGA board: a device of `shiftwise list`; without one an overlay's own, of others `u280`."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Say whether the design fits an FPGA board, what limits it, and how large an array would fit.

    LUTs, flip-flops and DSP slices are as `synth --target xcup` measured, or fitted; memories are counted by width and depth.
    Components of an overlay that were not measured are synthesised, which takes a minute, and kept for `simulate`.
    """
    from sim.overlay.design import is_overlay

    if is_overlay(design):
        _fit_overlay(design, device, as_json)
        return
    from costmodel.fpga.utilization import fit as run_fit
    from sim.design import load_design

    found = run_fit(load_design(design), device or "u280")
    if as_json:
        print(json.dumps(found.flat, indent=2))
        return
    rows = [
        (name, count(used), count(found.available[name]), "" if share is None else f"{share:.1%}")
        for (name, used), share in zip(found.used.items(), found.utilization.values(), strict=True)
    ]
    print_table(("resource", "used", "available", "share"), rows)
    print(found.verdict)


def _fit_overlay(design: str, device: str | None, as_json: bool) -> None:
    """:func:`fit` of an overlay, block by block."""
    from costmodel.fpga.devices import DEVICES
    from costmodel.overlay.components import key_of, parts_of
    from costmodel.overlay.measured import known_part, measure_part
    from costmodel.overlay.resources import overlay_fit
    from sim.errors import choose
    from sim.overlay.design import load_overlay

    own = load_overlay(design)
    point = replace(own, device=own.device if device is None else device)
    choose("device", point.device, DEVICES)
    for component in parts_of(point):
        if known_part(component, point) is None:
            print(f"synthesising the {component}, {key_of(component, point)}", file=sys.stderr, flush=True)
            measure_part(component, point)
    found = overlay_fit(point)
    if as_json:
        blocks = [{"block": block.name, **block.taken, "source": block.source} for block in found.blocks]
        facts = {"design": found.design, "device": found.device, "used": found.used, "available": found.available}
        print(json.dumps({**facts, "blocks": blocks, "fits": found.fits, "limit": found.limit}, indent=2))
        return
    rows = [(block.name, *(count(block.taken.get(name, 0.0)) for name in found.used)) for block in found.blocks]
    rows.append(("total", *map(count, found.used.values())))
    rows.append((found.device, *(count(found.available[name]) for name in found.used)))
    print_table(("block", *found.used), rows)
    print(found.verdict)
