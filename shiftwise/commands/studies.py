"""Commands about many designs or many widths: ``compare``, ``explore``, ``allocate``, ``reproduce``."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from shiftwise.commands.shared import Design, Json, Out, figure, print_table


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

    def told() -> None:
        for column in ("luts_per_mac", "energy_per_mac_fj"):
            print("\n".join(found.verdicts[column]))
        print("\n".join(found.widths))

    _end(found, out, as_json, told)


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
            help="What is wanted, repeatable: `area`, `energy`, `tokens_per_s`, `power`, `bandwidth`, `noise` (of products, "
            "for the loss of accuracy). [default: area, energy, tokens_per_s, noise]"
        ),
    ] = None,
    max_area: Annotated[float | None, typer.Option(help="um2 on `sky130`, LUT sites on `xcup`.")] = None,
    max_power: Annotated[float | None, typer.Option(help="W.")] = None,
    max_bandwidth: Annotated[float | None, typer.Option(help="GB/s, of what the design's memory sustains.")] = None,
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
    nearest that is possible. Writes `exploration.csv`, `.parquet`, `.html` (opens offline), `points.parquet` and figures into
    `--out`.

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
            Budgets(max_area, max_power, min_tokens_per_s, max_loss, device, max_bandwidth),
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
    _end(found, out, as_json, lambda: _print_rows(found.table[[name for name in found.table if not name.startswith("quick_")]]))


def allocate(
    design: Design = "mixpe-w8a8",
    model: Annotated[str, typer.Option(help="An embedded model, or a folder with weights.")] = "tiny-stdlib",
    bits: Annotated[float | None, typer.Option(help="At most so many bits of a weight's code on average.")] = None,
    cycles: Annotated[float | None, typer.Option(help="At most so many cycles of the pass.")] = None,
    energy: Annotated[float | None, typer.Option(help="At most so much energy of a token [J].")] = None,
    per: Annotated[
        str, typer.Option(help="What has one format: `layer`, `row` (an output of a layer), `block` (a group of inputs).")
    ] = "layer",
    search: Annotated[
        str, typer.Option(help="`greedy`, or `evolutionary`, which looks at the loss of all layers together.")
    ] = "greedy",
    weight_format: Annotated[
        list[str] | None,
        typer.Option(
            help="One to choose from, repeatable. [default: all of the kind of the design's own that its PE multiplies]"
        ),
    ] = None,
    phase: Annotated[str, typer.Option(help="`prefill` or `decode`, of which cycles and energy are.")] = "decode",
    sequence: Annotated[int, typer.Option(help="Tokens of the sequence.")] = 512,
    recipe: Annotated[str, typer.Option(help="How weights are quantized when accuracy is measured.")] = "nearest",
    accuracy_bytes: Annotated[int, typer.Option(help="Bytes of the held-out text on which accuracy is measured.")] = 4096,
    seed: Annotated[int, typer.Option(help="Of the evolutionary search.")] = 1,
    out: Out = Path("build/allocate"),
    as_json: Json = False,
) -> None:
    """Choose how many bits each layer, output or block of inputs has, within a budget, so that least accuracy is lost.

    The design's PE is built for its own format and multiplies narrower ones as well. What a unit loses in each format is the
    error of its layer's outputs, by how much the model depends on them; what it costs is bits, or the design's cycles or
    energy. The allocation and the widths around it for all weights go through the simulated hardware. Writes `allocation.json`,
    `allocations.csv` and `layers.csv` into `--out`; `shiftwise simulate --allocation` takes the first.

    Example: shiftwise allocate --design mixpe-w8a8 --bits 3.5 --per row
    """
    from shiftwise.allocation.allocate import allocate_asked
    from shiftwise.allocation.asked import checked
    from shiftwise.progress import shown_progress
    from sim.files import check_output

    check_output(out)
    budgets = {"bits": bits, "cycles": cycles, "energy": energy}
    given = (design, model, budgets, per, search, weight_format or (), phase, sequence, recipe, accuracy_bytes)
    asked = checked(*given)  # type: ignore[arg-type]
    with shown_progress() as tell:
        found = allocate_asked(asked, seed, out, tell)

    def told() -> None:
        _print_rows(found.table)
        print(found.verdict)

    _end(found, out, as_json, told, "allocation")


def reproduce(
    study: Annotated[str, typer.Argument(help="A published study: `mixpe`, `flightllm`, `dfx`, `fpl2024`.")] = "mixpe",
    comparison: Annotated[Path, typer.Option(help="Folder of `shiftwise compare`, for `fpl2024`.")] = Path("build/compare"),
    out: Out = Path("build/reproduce"),
    as_json: Json = False,
) -> None:
    """Compute a published study's figures again, as published and as this simulator has them, side by side.

    `mixpe`: six accelerators on four models (arXiv 2411.16158). `flightllm`: LLaMA-2-7B on a U280 (arXiv 2401.03868).
    `dfx`: GPT-2 in fp16 on a U280 (arXiv 2209.10797). `fpl2024`: minifloats beside integers (arXiv 2311.12359), from a
    comparison. Writes `STUDY.csv` and `STUDY.md` into `--out`.
    """
    from shiftwise.reproduction import reproduce as run_reproduction

    found = run_reproduction(study, out, comparison)
    if as_json:
        print(found.table.to_json(orient="records", indent=2))
    else:
        found.show(Console())
        print(f"table: {found.csv}")


def _end(found: Any, out: Path, as_json: bool, told: Callable[[], None], what: str = "page") -> None:
    """Write what a study found, and print its table as JSON, or what is told of it and where the rest is."""
    written = found.write(out)
    if as_json:
        print(found.table.to_json(orient="records", indent=2))
        return
    told()
    print(f"{what}: {written}")


def _print_rows(table: Any) -> None:
    print_table(table.columns, ([figure(cell) for cell in row] for row in table.itertuples(index=False)))
