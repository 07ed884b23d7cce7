"""Commands about a model on a design: ``simulate``, ``topology``, ``trace``."""

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from shiftwise.commands.shared import Design, Json, Out
from sim.errors import InputError


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
    allocation: Annotated[
        Path | None, typer.Option(help="The file of `shiftwise allocate`: formats by layer, output or block of inputs.")
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

    An overlay (`flightllm-u280` and the like) runs the instructions that its compiler writes for a decoder's sizes, at
    batch 1; its report shows them in time. Its accuracy is that of all of its arithmetic, with `steps.csv` and `timeline.csv`
    in place of the layers.

    Writes `summary.json`, `layers.csv`, `layers.parquet`, `report.html` (one file, opens offline) and its figures as PNG and
    SVG into `--out`. A run that was interrupted goes on from the last window of text that it had judged.

    Examples:

        shiftwise simulate --phase decode --batch 8 --sequence 256

        shiftwise simulate --design my-array.toml --model ~/models/my-llama --text notes.txt --out build/mine

        shiftwise simulate --model llama-2-70b --phase decode --sequence 2048

        shiftwise simulate --design flightllm-u280 --model llama-2-7b --phase decode --sequence 1024
    """
    from sim.files import check_output
    from sim.overlay.design import is_overlay

    check_output(out)
    if is_overlay(design):
        _check_overlay_alone(batch, kv_cache, allocation)
        _simulate_overlay((design, model, phase, sequence, text, accuracy_bytes, recipe), out, as_json)
        return
    from shiftwise.request import checked_request

    given = (design, model, phase, batch, sequence, text, accuracy_bytes, recipe, kv_cache, allocation)
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


def _check_overlay_alone(batch: int, kv_cache: str | None, allocation: Path | None) -> None:
    """Refuse what an overlay has one of."""
    if batch != 1:
        raise InputError(f"batch of an overlay is 1, not {batch}")
    for name, value in (("kv_cache", kv_cache), ("allocation", allocation)):
        if value is not None:
            raise InputError(f"{name} does not go with an overlay, whose design says what is stored how: {str(value)!r}")


def _simulate_overlay(given: tuple[Any, ...], out: Path, as_json: bool) -> None:
    """:func:`simulate` of an overlay."""
    from shiftwise.overlay.request import checked_overlay

    asked = checked_overlay(*given)

    from reports.files import SUMMARY
    from reports.overlay import print_overlay
    from shiftwise.judged import forget
    from shiftwise.overlay.simulate import simulate_asked
    from shiftwise.progress import shown_progress

    with shown_progress() as tell:
        run = simulate_asked(asked, tell, out)
    report = run.write(out)
    forget(out)
    if as_json:
        print((out / SUMMARY).read_text(), end="")
        return
    print_overlay(run.summary, run.steps, Console())
    print(f"report: {report}")


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
