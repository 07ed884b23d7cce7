"""The ``shiftwise`` command. A wrong input is one sentence on stderr and exit status 2, a failed check exit status 1.

Each command imports what it needs when it runs, and what loads torch, which takes seconds, after its arguments are checked.
"""

import json
import sys
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text
from typer.exceptions import Abort, TyperException

from sim.errors import Failure, InputError

INTERRUPTED = 130
"""Exit status after Ctrl-C, as shells have it: 128 and the signal's number."""

WIDER_THAN_ANY_TABLE = 1 << 16  # [column]

app = typer.Typer(
    add_completion=False,
    pretty_exceptions_enable=False,
    no_args_is_help=True,
    rich_markup_mode="markdown",
    help="Simulate quantized language models on shift-and-add accelerators, generate the hardware, verify it.",
)

Design = Annotated[str, typer.Option(help="A preset's name (see `shiftwise list`) or a TOML file with the fields of a design.")]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON on stdout instead of tables.")]
Out = Annotated[Path, typer.Option(help="Folder for the results; made if it is not there.")]


@app.command()
def simulate(
    design: Design = "mixpe-w4a8",
    model: Annotated[
        str,
        typer.Option(
            help="An embedded model, a bundled configuration (see `shiftwise list`), a folder with `config.json`, with or "
            "without weights (safetensors, `.bin`), a GGUF file, or a SCALE-Sim topology `.csv`."
        ),
    ] = "tiny-stdlib",
    phase: Annotated[
        str, typer.Option(help="`prefill` reads the whole sequence at once, `decode` makes its last token.")
    ] = "prefill",
    batch: Annotated[int, typer.Option(help="Sequences at once.")] = 1,
    sequence: Annotated[
        int | None,
        typer.Option(help="Tokens of each sequence; in decode, the new one included. [default: 512, or what an image has]"),
    ] = None,
    text: Annotated[
        Path | None, typer.Option(help="Text to trace and to predict. [default: the model's held-out text]")
    ] = None,
    accuracy_bytes: Annotated[
        int | None,
        typer.Option(help="Bytes of the text, from its start, on which accuracy is measured. [default: 8192, in decode 512]"),
    ] = None,
    recipe: Annotated[
        str | None,
        typer.Option(
            help="How weights are quantized (see `shiftwise list`), calibrated on the text behind those bytes. [default: a "
            "checkpoint's own codes, else `nearest`]"
        ),
    ] = None,
    kv_cache: Annotated[
        str | None, typer.Option(help="How keys and values are stored (see `shiftwise list`). [default: `per_token`]")
    ] = None,
    out: Out = Path("build/simulate"),
    as_json: Json = False,
) -> None:
    """Run one forward pass of a quantized model on a design: cycles, traffic, energy, area, accuracy.

    Every operator is scheduled in order: matrix products on the array, under the best of all ways to cut them, the rest
    on the vector unit. Cycles follow the array's fill, skew, drain and the stalls of the memories; energy is counts of
    actions times energy per action; area is what synthesis measured.

    A model with weights is traced in torch on real text, and its products (linear layers, attention scores and values)
    are computed bit for bit by the arithmetic of the processing elements. Accuracy is the bits per byte, the perplexity
    and the likeliest tokens of the float model and of the model whose products the simulated hardware computes, in
    `decode` token by token with the quantized KV cache. A configuration or a topology alone has cycles, traffic and energy,
    of a model of any size.

    Writes `summary.json`, `layers.csv` and `report.html` (one file, opens offline) into `--out`. A run that was interrupted
    goes on from the last window of text that it had judged.

    Examples:

        shiftwise simulate --phase decode --batch 8 --sequence 256

        shiftwise simulate --design my-array.toml --model ~/models/my-llama --text notes.txt --out build/mine

        shiftwise simulate --model llama-2-70b --phase decode --sequence 2048
    """
    from shiftwise.request import checked_request
    from sim.files import check_output

    check_output(out)
    given = (design, model, phase, batch, sequence, text, accuracy_bytes, recipe, kv_cache)
    asked = checked_request(*given)  # type: ignore[arg-type]

    from reports.files import SUMMARY
    from reports.terminal import print_run
    from shiftwise.judged import forget
    from shiftwise.progress import shown_progress
    from shiftwise.simulation import simulate_request

    with shown_progress() as tell:
        run = simulate_request(asked, tell, out)
    report = run.write(out)
    forget(out)
    if as_json:
        print((out / SUMMARY).read_text(), end="")
        return
    print_run(run.summary, run.layers, Console())
    print(f"report: {report}")


@app.command()
def topology(
    model: Annotated[str, typer.Option(help="As of `simulate`; its matrix products are written, whatever its weights are.")],
    phase: Annotated[str, typer.Option(help="`prefill` or `decode`.")] = "prefill",
    batch: Annotated[int, typer.Option(help="Sequences at once.")] = 1,
    sequence: Annotated[int | None, typer.Option(help="Tokens of each sequence.")] = None,
    out: Annotated[Path, typer.Option(help="The file to write.")] = Path("build/topology.csv"),
) -> None:
    """Write a model's matrix products as a SCALE-Sim topology: a CSV file of GEMMs, a row each.

    Example: shiftwise topology --model llama-2-7b --phase decode --sequence 2048 --out llama.csv
    """
    from sim.files import check_output, output_folder
    from workloads.passes import check_pass
    from workloads.zoo import config_path

    check_output(out.parent)
    check_pass(phase, batch, sequence)
    config_path(model)

    from workloads.shapes import shapes
    from workloads.topology import write_topology

    products = shapes(model, phase, batch, sequence).products  # type: ignore[arg-type]
    output_folder(out.parent)
    write_topology(products, out)
    print(f"{out}: {sum(product.count for product in products):,} products, {sum(p.macs for p in products):,} MACs")


@app.command()
def trace(
    model: Annotated[str, typer.Option(help="As of `simulate`, a topology excepted.")] = "tiny-stdlib",
    phase: Annotated[str, typer.Option(help="`prefill` or `decode`.")] = "prefill",
    batch: Annotated[int, typer.Option(help="Sequences at once.")] = 1,
    sequence: Annotated[int | None, typer.Option(help="Tokens of each sequence.")] = None,
    text: Annotated[Path | None, typer.Option(help="With `--operands`: the text. [default: the held-out text]")] = None,
    operands: Annotated[bool, typer.Option("--operands", help="Run the model, and keep what each product multiplies.")] = False,
    out: Annotated[Path, typer.Option(help="The file to write.")] = Path("build/trace.safetensors"),
) -> None:
    """Write what one pass of a model asks of an accelerator: its operators in order, and with `--operands` their numbers.

    One safetensors file; operators are JSON in its metadata. Operations that are not understood are named.

    Example: shiftwise trace --model ~/models/my-llama --phase decode --sequence 256 --operands --out step.safetensors
    """
    from sim.files import check_output, output_folder
    from workloads.passes import check_pass
    from workloads.zoo import config_path

    check_output(out.parent)
    check_pass(phase, batch, sequence)
    config_path(model)
    if text is not None and not operands:
        raise InputError(f"a text goes with --operands, which a trace of sizes alone has not: {str(text)!r}")

    from shiftwise.tracing import trace as run_trace
    from workloads.trace_file import save_trace

    found = run_trace(model, phase, batch, sequence, text, operands)  # type: ignore[arg-type]
    output_folder(out.parent)
    save_trace(found, out)
    print(f"{out}: {len(found.operators):,} operators, {found.macs:,} MACs in {len(found.products):,} products")
    for name, share in found.not_understood.items():
        print(f"not understood: {name}, {share:.2%} of the MACs")


@app.command()
def generate(design: Design = "mixpe-w4a8", out: Out = Path("build/generate"), as_json: Json = False) -> None:
    """Write the design's hardware: Verilog, each module once, a test bench with vectors, scripts, and `manifest.json`.

    `bench.v` needs no Python: it drives the processing element and the whole accelerator with the `.vectors` files and
    compares every output with what the model computed, in its cycle. `vivado.tcl` and `yosys_*.ys` synthesise all of it for
    UltraScale+, ECP5 and standard cells. The manifest has ports, widths, latencies, the command that runs the bench, and
    tool versions.
    """
    from hdl.delivery import MANIFEST
    from shiftwise.generation import generate as run_generation

    export = run_generation(design, out)
    if as_json:
        print((out / MANIFEST).read_text(), end="")
    else:
        _print_table(("file", "bytes"), ((path, path.stat().st_size) for path in export.files))


@app.command()
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
    from sim.files import check_output
    from workloads.embedded import model_folder

    check_output(out)
    hardware_design(design)
    model_folder(model)

    from shiftwise.verification import VERDICT
    from shiftwise.verification import verify as run_verification

    verification = run_verification(design, model, out, announce=lambda line: print(line, file=sys.stderr))
    if as_json:
        print((out / VERDICT).read_text(), end="")
        return
    pe, products = verification.pe, verification.products
    rows = [(f"{design} PE", pe.pairs, pe.groups, pe.cycles)]
    rows += [(name, verdict.results, verdict.groups, verdict.cycles) for name, verdict in products.items()]
    _print_table(("equal in every bit and cycle", "pairs or results", "groups", "cycles compared"), rows)


@app.command()
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
        parts = {"components": found.rows, "pe": found.pe_rows, "mac_energy_pJ": found.mac_energy}
        print(json.dumps({"design": found.design, "target": target, **parts}, indent=2))
        return
    numbers = dict.fromkeys(name for share in found.components.values() for name in share.measured.area.numbers)
    header = ("component", *(name for name in numbers if not name.endswith(ENERGY)), "instances", "total", "share")
    rows = ({**row, "total": f"{row['total']:.6g}", "share": f"{row['share']:.1%}"} for row in found.rows)
    _print_table(header, ([row.get(name, "") for name in header] for row in rows))
    print(f"{found.design} on {target}: {found.total:.6g} {found.unit}, memories not in it; of a PE:")
    cells = [{**row, "share": f"{row['share']:.1%}"} for row in found.pe_rows]
    _print_table(cells[0], (row.values() for row in cells))
    if found.mac_energy:
        print("a MAC [pJ] with traced operands and with uniform ones, and what the former is made of; glitches are in none:")
        _print_table(found.mac_energy, [[f"{energy:.4g}" for energy in found.mac_energy.values()]])


@app.command()
def fit(
    design: Design = "mixpe-w4a8",
    device: Annotated[str, typer.Option(help="An FPGA board: a device of `shiftwise list`.")] = "u280",
    as_json: Json = False,
) -> None:
    """Say whether the design fits an FPGA board, what limits it, and how large an array would fit.

    LUTs, flip-flops and DSP slices are as `synth --target xcup` measured, or fitted; memories are counted by width and depth.
    """
    from costmodel.fpga.utilization import fit as run_fit
    from sim.design import load_design

    found = run_fit(load_design(design), device)
    if as_json:
        print(json.dumps(found.flat, indent=2))
        return
    rows = [
        (name, _count(used), _count(found.available[name]), "" if share is None else f"{share:.1%}")
        for (name, used), share in zip(found.used.items(), found.utilization.values(), strict=True)
    ]
    _print_table(("resource", "used", "available", "share"), rows)
    print(found.verdict)


@app.command()
def compare(
    design: Annotated[
        str | None,
        typer.Option(help="What all points have in common but their formats. [default: edge-w4a8 with groups of 128]"),
    ] = None,
    model: Annotated[str, typer.Option(help="An embedded model, or a folder with weights.")] = "tiny-stdlib",
    points: Annotated[
        list[str] | None,
        typer.Option(
            help="A set of points, repeatable: `equal` (integers and minifloats of 3 to 8 bits, both operands alike), `w4` "
            "(weights of 4 bits), `blocks` (MX, NVFP4), `pairs` (two splits of one width), `mixed` (integer and minifloat) "
            "[default: equal, w4, blocks]"
        ),
    ] = None,
    recipe: Annotated[
        list[str] | None,
        typer.Option(help="A recipe, as often as wanted: each point takes its best. [default: nearest, rotation_gptq]"),
    ] = None,
    kv_cache: Annotated[str, typer.Option(help="How keys and values are stored.")] = "per_token",
    text: Annotated[Path | None, typer.Option(help="Text to predict. [default: the held-out text]")] = None,
    accuracy_bytes: Annotated[int, typer.Option(help="Bytes of the text on which accuracy is measured.")] = 4096,
    target: Annotated[str, typer.Option(help="Where arrays have equal area: `xcup` or `sky130`.")] = "xcup",
    workers: Annotated[int | None, typer.Option(help="Processes. [default: one for each processor]")] = None,
    scheduler: Annotated[str | None, typer.Option(help="Address of a Dask scheduler, in place of processes.")] = None,
    out: Out = Path("build/compare"),
    as_json: Json = False,
) -> None:
    """Compare number formats: accuracy through the simulated hardware, and measured cost of the hardware.

    Each point is the base design with other formats of weights and activations. Its accuracy is the bits per byte that the
    model predicts when every product is computed by the point's processing elements bit for bit, with the best of some
    recipes. Its cost is the size and the energy of its processing element, the energy of a token, and tokens a second of an
    array as large as the base's. Writes `comparison.csv`, `.parquet`, `.html` (opens offline) and figures into `--out`.

    What is found is kept in `results.sqlite` in `--out`: a run that was interrupted goes on, a second one finds nothing anew.

    Example: shiftwise compare --points equal --points blocks --recipe nearest --recipe gptq
    """
    from shiftwise.comparison.accuracy import RECIPES
    from shiftwise.comparison.compare import compare as run_comparison
    from shiftwise.comparison.points import BASE, DEFAULT_SETS
    from shiftwise.progress import shown_progress
    from shiftwise.workers import processors

    with shown_progress() as tell:
        found = run_comparison(
            BASE if design is None else design,
            model,
            points or DEFAULT_SETS,
            recipe or RECIPES,
            kv_cache,
            text,
            accuracy_bytes,
            target,
            out,
            processors() if workers is None else workers,
            scheduler,
            tell,
        )
    page = found.write(out)
    if as_json:
        print(found.table.to_json(orient="records", indent=2))
        return
    for column in ("luts_per_mac", "energy_per_mac_fj"):
        print("\n".join(found.verdicts[column]))
    print("\n".join(found.widths))
    print(f"page: {page}")


@app.command()
def explore(
    space: Annotated[
        str,
        typer.Option(
            help="What is searched: `edge`, `formats`, or a TOML file with a list of values for some fields of a design."
        ),
    ] = "edge",
    design: Annotated[str | None, typer.Option(help="What is not searched is as in it. [default: edge-w4a8 on sky130]")] = None,
    model: Annotated[
        list[str] | None,
        typer.Option(help="A model or a configuration, repeatable: a token is one of each. [default: tiny-stdlib]"),
    ] = None,
    phase: Annotated[str, typer.Option(help="`prefill` or `decode`.")] = "decode",
    sequence: Annotated[int, typer.Option(help="Tokens of the sequence.")] = 512,
    objective: Annotated[
        list[str] | None,
        typer.Option(
            help="What is wanted, repeatable: `area`, `energy`, `tokens_per_s`, `power`, `noise` (of products, for the loss of "
            "accuracy). [default: area, energy, tokens_per_s, noise]"
        ),
    ] = None,
    max_area: Annotated[float | None, typer.Option(help="um2 on `sky130`, LUT sites on `xcup`.")] = None,
    max_power: Annotated[float | None, typer.Option(help="W.")] = None,
    min_tokens_per_s: Annotated[float | None, typer.Option(help="tokens/s.")] = None,
    max_loss: Annotated[float | None, typer.Option(help="Bits per byte above the float model's, as a share of them.")] = None,
    device: Annotated[str | None, typer.Option(help="A board that the design has to fit, with its memory's bandwidth.")] = None,
    points: Annotated[
        int, typer.Option(help="Design points that are looked at; a space that is no larger is looked at whole.")
    ] = 2000,
    sampler: Annotated[str, typer.Option(help="`nsga2`, or `tpe`, which is for some hundred points.")] = "nsga2",
    seed: Annotated[int, typer.Option(help="Of the sampler.")] = 1,
    survivors: Annotated[
        int, typer.Option(help="Best points that are scheduled and whose accuracy is measured, at most.")
    ] = 32,
    recipe: Annotated[
        list[str] | None, typer.Option(help="A recipe, as often as wanted: each design takes its best. [default: nearest]")
    ] = None,
    accuracy_bytes: Annotated[int, typer.Option(help="Bytes of the held-out text on which accuracy is measured.")] = 2048,
    target: Annotated[str, typer.Option(help="What areas are of: `sky130` or `xcup`.")] = "sky130",
    workers: Annotated[int | None, typer.Option(help="Processes. [default: one for each processor]")] = None,
    scheduler: Annotated[str | None, typer.Option(help="Address of a Dask scheduler, in place of processes.")] = None,
    storage: Annotated[
        str | None, typer.Option(help="URL of a database for Optuna's trials, as sqlite:///FILE or postgresql://HOST/NAME.")
    ] = None,
    out: Out = Path("build/explore"),
    as_json: Json = False,
) -> None:
    """Search for the best designs within budgets: formats, arrays, dataflows, buffers, memories.

    All points have area, and cycles and energy in closed form, and the noise of their products in the place of accuracy; of the
    best ones every operator is scheduled and accuracy is measured through the simulated hardware. A space that is no
    larger than `--points` is looked at whole; else Optuna proposes points. Budgets that nothing keeps within end with the
    nearest that is possible. Writes `exploration.csv`, `.parquet`, `.html` (opens offline) and `points.parquet` into `--out`.

    What is found is kept in `results.sqlite` in `--out`: a search that was interrupted goes on.

    Example: shiftwise explore --model llama-2-7b --max-area 4e7 --min-tokens-per-s 2 --points 5000
    """
    from shiftwise.exploration.explore import explore as run_exploration
    from shiftwise.exploration.objectives import DEFAULT, Budgets
    from shiftwise.exploration.space import BASE
    from shiftwise.progress import shown_progress
    from shiftwise.workers import processors

    with shown_progress() as tell:
        found = run_exploration(
            space,
            BASE if design is None else design,
            model or ("tiny-stdlib",),
            phase,  # type: ignore[arg-type]
            sequence,
            objective or DEFAULT,
            Budgets(max_area, max_power, min_tokens_per_s, max_loss, device),
            points,
            sampler,
            seed,
            survivors,
            recipe or ("nearest",),
            accuracy_bytes,
            target,
            out,
            processors() if workers is None else workers,
            scheduler,
            storage,
            tell,
        )
    page = found.write(out)
    if as_json:
        print(found.table.to_json(orient="records", indent=2))
        return
    shown = found.table[[name for name in found.table if not name.startswith("quick_")]]
    _print_table(shown.columns, ([_figure(cell) for cell in row] for row in shown.itertuples(index=False)))
    print(f"page: {page}")


@app.command()
def reproduce(
    study: Annotated[str, typer.Argument(help="A published study: `mixpe`.")] = "mixpe",
    out: Out = Path("build/reproduce"),
    as_json: Json = False,
) -> None:
    """Compute a published study's figures again, as published and as this simulator has them, side by side.

    `mixpe`: six accelerators on four models (arXiv 2411.16158). Writes `STUDY.csv` and `STUDY.md` into `--out`.
    """
    from shiftwise.reproduction import reproduce as run_reproduction

    found = run_reproduction(study, out)
    if as_json:
        print(found.table.to_json(orient="records", indent=2))
    else:
        found.show(Console())
        print(f"table: {found.csv}")


@app.command(name="list")
def list_names(as_json: Json = False) -> None:
    """Name the designs, formats, processing elements, models, memories, technologies, FPGA boards and synthesis targets."""
    from shiftwise.catalogue import catalogue

    names = catalogue()
    if as_json:
        print(json.dumps(names, indent=2))
    else:
        _print_table(
            ("kind", "name", "what it is"), ((kind, name, what) for kind, of in names.items() for name, what in of.items())
        )


def _figure(cell: Any) -> str:
    return f"{cell:.4g}" if isinstance(cell, float) else str(cell)


def _count(number: float | None) -> str:
    return "not known" if number is None else f"{number:,.0f}"


def _print_table(header: Any, rows: Any) -> None:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in header:
        table.add_column(str(name), overflow="fold")
    for row in rows:
        table.add_row(*(Text(str(cell)) for cell in row))
    width = None if sys.stdout.isatty() else WIDER_THAN_ANY_TABLE  # what reads a pipe wants each row on one line
    Console(width=width).print(table)


def _end(message: str, status: int) -> NoReturn:
    print(f"shiftwise: {message}", file=sys.stderr)
    sys.exit(status)


def _with_value(error: TyperException) -> str:
    """The message about an option, and the value that it had where the message does not say so."""
    given = [problem["input"] for problem in getattr(error.__cause__, "errors", list)()]
    return ", not ".join([error.format_message(), *map(repr, given)])


def main() -> None:
    """Entry point of the console script."""
    try:
        status = app(standalone_mode=False)
    except InputError as error:
        _end(str(error), 2)
    except Failure as error:
        _end(str(error), 1)
    except TyperException as error:
        _end(_with_value(error) or "a command is needed", 2)
    except (Abort, KeyboardInterrupt):
        status = INTERRUPTED
    if status == INTERRUPTED:
        _end(
            "interrupted; no file is half-written, and the same command goes on from the accuracies that were kept",
            INTERRUPTED,
        )
