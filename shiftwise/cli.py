"""The ``shiftwise`` command. A wrong input is one sentence on stderr and exit status 2, a failed check exit status 1.

Each command imports what it needs when it runs, and what loads torch, which takes seconds, after its arguments are checked.
"""

import json
import sys
import warnings
from typing import NoReturn

import typer
from typer.exceptions import Abort, TyperException

from shiftwise.commands.hardware import fit, generate, synth, verify
from shiftwise.commands.models import simulate, topology, trace
from shiftwise.commands.shared import Json, print_table
from shiftwise.commands.studies import allocate, compare, explore, reproduce
from sim.errors import Failure, InputError

INTERRUPTED = 130
"""Exit status after Ctrl-C, as shells have it: 128 and the signal's number."""

app = typer.Typer(
    add_completion=False,
    pretty_exceptions_enable=False,
    no_args_is_help=True,
    rich_markup_mode="markdown",
    help="Simulate quantized language models on shift-and-add accelerators, generate the hardware, verify it.",
)


def list_names(as_json: Json = False) -> None:
    """Name the designs, formats, processing elements, models, memories, technologies, FPGA boards and synthesis targets."""
    from shiftwise.catalogue import catalogue

    names = catalogue()
    if as_json:
        print(json.dumps(names, indent=2))
    else:
        print_table(
            ("kind", "name", "what it is"), ((kind, name, what) for kind, of in names.items() for name, what in of.items())
        )


for command in (simulate, topology, trace, generate, verify, synth, fit, compare, explore, allocate, reproduce):
    app.command()(command)
app.command(name="list")(list_names)


def _end(message: str, status: int) -> NoReturn:
    print(f"shiftwise: {message}", file=sys.stderr)
    sys.exit(status)


def _with_value(error: TyperException) -> str:
    """The message about an option, and the value that it had where the message does not say so."""
    given = [problem["input"] for problem in getattr(error.__cause__, "errors", list)()]
    return ", not ".join([error.format_message(), *map(repr, given)])


def main() -> None:
    """Entry point of the console script."""
    # Amaranth says so of components for which synthesis has another text, and of those of a design that is refused later.
    warnings.filterwarnings("ignore", message=".* created but never used$")
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
