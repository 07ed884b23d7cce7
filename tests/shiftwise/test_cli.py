"""The command: what it writes, and one sentence with exit status 2 for whatever it cannot use."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import warnings
from functools import partial
from pathlib import Path

import pandas as pd
import pytest

import shiftwise
from costmodel.area import Share
from costmodel.energy import priced
from costmodel.measured import Measured
from costmodel.synthesis.liberty import sky130_liberty
from costmodel.synthesis.parts import Part
from costmodel.synthesis.run import Area
from hdl.export import module_texts
from hdl.overlay.selector import Selector
from hdl.verify.verdict import ArrayVerdict, PEVerdict
from shiftwise.cli import main
from shiftwise.synthesis import DesignSynthesis, synth
from shiftwise.verified import Verification
from sim.design import load_design

ROOT = Path(__file__).parent.parent.parent


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["shiftwise", *arguments])
    try:
        main()
    except SystemExit as end:
        return int(end.code or 0)
    return 0


def test_simulate_writes_all_files(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    assert run(monkeypatch, "simulate", "--sequence", "32", "--accuracy-bytes", "200", "--json", "--out", str(out)) == 0
    assert {path.name for path in out.iterdir()} == {"summary.json", "layers.csv", "layers.parquet", "report.html", "figures"}
    summary = json.loads((out / "summary.json").read_text())
    assert json.loads(capsys.readouterr().out) == summary
    layers = pd.read_csv(out / "layers.csv")
    assert (layers.unit == "array").sum() == 46
    assert layers.end.max() == summary["cycles"]


def test_simulate_prints_a_table(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert (
        run(monkeypatch, "simulate", "--phase", "decode", "--sequence", "9", "--accuracy-bytes", "99", "--out", str(tmp_path))
        == 0
    )
    out = capsys.readouterr().out
    assert "tokens/s" in out
    assert str(tmp_path / "report.html") in out


def test_a_fit_says_what_limits_it(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(monkeypatch, "fit", "--design", "mixpe-w4a8", "--device", "kv260") == 0
    text = capsys.readouterr().out
    assert "mixpe-w4a8 does not fit kv260: its memory has 333.3% of the bandwidth." in text  # 64 of 19.2 GB/s
    assert run(monkeypatch, "fit", "--device", "vhk158", "--json") == 0
    assert json.loads(capsys.readouterr().out)["utilization"]["bram36"] is None


def test_an_overlay_is_fitted_to_its_own_board(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Unless another is named; an array is fitted to a U280."""
    for more, device in (((), "kv260"), (("--device", "u280"), "u280")):
        assert run(monkeypatch, "fit", "--design", "dense-kv260", *more, "--json") == 0
        assert json.loads(capsys.readouterr().out)["device"] == device
    assert run(monkeypatch, "fit", "--json") == 0
    assert json.loads(capsys.readouterr().out)["device"] == "u280"


def test_list_names_everything(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(monkeypatch, "list", "--json") == 0
    names = json.loads(capsys.readouterr().out)
    assert "mixpe-w4a8" in names["design"]
    assert "uint4" in names["format"]
    assert "tiny-stdlib" in names["model"]
    assert "45nm" in names["technology"]


def test_list_in_a_pipe_has_a_line_for_each_name(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(monkeypatch, "list", "--json") == 0
    kinds = json.loads(capsys.readouterr().out)
    assert run(monkeypatch, "list") == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2 + sum(map(len, kinds.values())), "a header, a rule, and the names"
    assert all(line == line.rstrip() for line in lines)
    of_each = [(kind, name, what) for kind, names in kinds.items() for name, what in names.items()]
    assert [tuple(re.split(" {2,}", line, maxsplit=2)) for line in lines[2:]] == of_each
    assert len(lines[1]) < 80


def test_an_embedded_model_becomes_a_topology(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """MACs of a prefill of 96 tokens as in ``test_simulation``: linear layers, attention, the head for the last token."""
    path = tmp_path / "tiny.csv"
    assert run(monkeypatch, "topology", "--model", "tiny-stdlib", "--sequence", "96", "--out", str(path)) == 0
    per_token = 256 * (256 + 128 + 128 + 256) + 3 * 256 * 704 + 2 * 4 * 64 * 96
    assert f"{5 * 96 * per_token + 256 * 256:,} MACs" in capsys.readouterr().out
    sizes = [[int(size) for size in row.split(",")[1:4]] for row in path.read_text().splitlines()[1:]]
    assert sum(m * n * k for m, n, k in sizes) == 5 * 96 * per_token + 256 * 256


def test_a_trace_is_written(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A decode step against 8 tokens, of sizes alone and with operands: the same products of 5 layers and the head."""
    macs = 5 * (256 * (256 + 128 + 128 + 256) + 3 * 256 * 704 + 2 * 4 * 64 * 8) + 256 * 256
    for name, more in (("sizes", []), ("operands", ["--operands"])):
        path = tmp_path / f"{name}.safetensors"
        assert run(monkeypatch, "trace", "--phase", "decode", "--sequence", "8", "--out", str(path), *more) == 0
        assert capsys.readouterr().out.endswith(f"{macs:,} MACs in 46 products\n")
        found = shiftwise.load_trace(path)
        assert (found.macs, len(found.traced)) == (macs, 46 if more else 0)


def test_generate_writes_verilog(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    out = tmp_path / "v"
    assert run(monkeypatch, "generate", "--out", str(out)) == 0
    manifest = json.loads((out / "manifest.json").read_text())
    assert (out / "shift_add_pe.v").read_text().count("endmodule") == 1
    assert manifest["top"] == "accelerator"


SMALL = "rows = 2\ncolumns = 2\nweight_buffer_kib = 4\nactivation_buffer_kib = 4\noutput_buffer_kib = 4\n"


def test_synth_shares_out_a_design_and_its_pe(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A design that nobody has measured: afterwards its energy on sky130 is known, as measured here."""
    (tmp_path / "small.toml").write_text(SMALL + 'weight_format = "uint5"\nactivation_format = "int7"\ntechnology = "sky130"\n')
    small = str(tmp_path / "small.toml")
    assert run(monkeypatch, "synth", "--design", small, "--json") == 0
    found = json.loads(capsys.readouterr().out)
    rows = {row["component"]: row for row in found["components"]}
    around = dict.fromkeys(("controller", "result_buffer", "scratchpads"), 1)
    instances = {"pe": 4, "row_sum": 2, "epilogue": 2, "array_edge": 1, **around}
    assert {name: row["instances"] for name, row in rows.items()} == instances
    assert sum(row["share"] for row in rows.values()) == pytest.approx(1)
    assert rows["pe"]["total"] == pytest.approx(4 * rows["pe"]["area_um2"])
    assert rows["pe"]["delay_ps"] > 0
    parts = {row["part"]: row for row in found["pe"]}
    assert sum(row["um2"] for row in parts.values()) == pytest.approx(rows["pe"]["area_um2"])
    assert sum(row["cells"] for row in parts.values()) == rows["pe"]["cells"]
    assert parts["multiplier"]["share"] > 0.2 < parts["accumulator"]["share"]
    energy = found["mac_energy_pJ"]
    of_parts = sum(energy[part] for part in ("multiplier", "accumulator", "registers", "clock", "leakage"))
    assert energy["traced"] == pytest.approx(of_parts)
    assert 2 < energy["traced"] < energy["uniform"] < 8
    assert energy["glitches"] > 0
    mac = priced(load_design(small), "sky130")["mac"]
    assert mac.energy == pytest.approx(energy["traced"] - energy["clock"] - energy["leakage"])
    assert mac.source.kind == "measured"
    assert re.search(r"traced operands .*, verilator \S+, 4096 MACs, .*yosys.*measured.csv$", mac.source.text)
    with monkeypatch.context() as patched:
        patched.setattr("shiftwise.synthesis.with_energies", None)  # what is known is not measured again
        assert synth(small).mac_energy == pytest.approx(energy)


def test_synth_says_what_is_beside_luts(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Multipliers of an ECP5 are in its DSP slices: 4 PEs of one each, and an edge of none."""
    areas = [Area("ecp5", "lut_sites", luts, {"lut_sites": luts, "dsps": dsps}, "", "", "") for luts, dsps in ((30, 1), (7, 0))]
    shares = {
        name: Share(Measured(name, {}, area, ""), instances)
        for name, area, instances in zip(("pe", "array_edge"), areas, (4, 1), strict=True)
    }
    found = DesignSynthesis("small", "ecp5", "lut_sites", shares, {"dsp": Part(1, 0)}, "luts")
    monkeypatch.setattr("shiftwise.synthesis.synth", lambda *_: found)
    assert run(monkeypatch, "synth", "--target", "ecp5") == 0
    assert "small on ecp5: 127 lut_sites and 4 DSP slices, memories not in it" in capsys.readouterr().out
    assert run(monkeypatch, "synth", "--target", "ecp5", "--json") == 0
    assert json.loads(capsys.readouterr().out)["totals"] == {"lut_sites": 127, "dsps": 4}


def test_synth_that_fails_is_one_sentence_with_a_log(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A gate whose function ABC does not understand."""
    text = sky130_liberty().replace('function : "(!A) | (!B)"', 'function : "(!A) | | (!B)"')
    (tmp_path / "cells.lib").write_text(text)
    (tmp_path / "small.toml").write_text(SMALL)
    arguments = ["--design", str(tmp_path / "small.toml"), "--target", str(tmp_path / "cells.lib")]
    assert run(monkeypatch, "synth", *arguments) == 2
    error = capsys.readouterr().err
    assert error.startswith("shiftwise: Yosys could not synthesise ")
    assert error.count("\n") == 1
    log = Path(error.split()[-1])
    assert "cells.lib" in log.read_text()
    shutil.rmtree(log.parent)


def test_verify_names_the_design_of_a_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file.toml").write_text('name = "mine"\n')
    found = Verification("mine", {"pairs": PEVerdict("mine", 4096, 5000, 6000), "array": ArrayVerdict("mine", 7, 1, 2, 3)})
    monkeypatch.setattr("shiftwise.verification.verify", lambda *_, **__: found)
    assert run(monkeypatch, "verify", "--design", str(tmp_path / "file.toml"), "--out", str(tmp_path / "out")) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines[2:] == [["mine", "PE", "4096", "5000", "6000"], ["array", "7", "2", "3"]]


@pytest.mark.parametrize("command", ["simulate", "generate", "verify", "synth", "list", "topology", "trace", "reproduce"])
def test_help_is_worth_reading(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: str) -> None:
    assert run(monkeypatch, command, "--help") == 0
    assert len(capsys.readouterr().out) > 200


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["simulate", "--design", "mixpe"], "unknown design 'mixpe'; known are mixpe-w4a8"),
        (["simulate", "--design", "absent.toml"], "design file 'absent.toml' cannot be read: No such file or directory"),
        (["simulate", "--model", "gpt-9"], "unknown model 'gpt-9'; known are tiny-stdlib, llama-2-7b"),
        (["simulate", "--model", "gpt-9.csv"], "gpt-9.csv"),
        (["simulate", "--model", "llama-2-7b", "--text", "notes.txt"], "text goes with a model that has weights"),
        (["simulate", "--model", "llama-2-7b", "--accuracy-bytes", "9"], "accuracy_bytes goes with a model that has weights"),
        (["simulate", "--model", "llama-2-7b", "--sequence", "4097"], "not 4097"),
        (["simulate", "--model", "vit-b", "--phase", "decode"], "allowed is phase 'prefill'"),
        (["topology", "--model", "gpt-9"], "unknown model 'gpt-9'"),
        (["trace", "--model", "gpt-9"], "unknown model 'gpt-9'"),
        (["trace", "--text", "notes.txt"], "a text goes with --operands, which a trace of sizes alone has not: 'notes.txt'"),
        (["trace", "--operands", "--sequence", "2000"], "sequence is at most the model's context of 1024 tokens, not 2000"),
        (["trace", "--operands", "--model", "llama-2-7b"], "llama-2-7b"),
        (["reproduce", "attention"], "unknown study 'attention'; known are mixpe"),
        (["simulate", "--phase", "training"], "unknown phase 'training'; known are prefill, decode"),
        (["simulate", "--sequence", "0"], "sequence is at least 1, not 0"),
        (["simulate", "--sequence", "-3"], "sequence is at least 1, not -3"),
        (
            ["simulate", "--sequence", "many"],
            "Invalid value for '--sequence': Input should be a valid integer, unable to parse string as an integer, not 'many'",
        ),
        (["simulate", "--sequence", "4096"], "at most the model's context of 1024 tokens, not 4096"),
        (["simulate", "--batch", "0"], "batch is at least 1, not 0"),
        (["simulate", "--batch", f"{10**12}"], "batch is at most 65536, not 1000000000000"),
        (["simulate", "--model", "llama-2-7b", "--batch", f"{10**12}"], "batch is at most 65536, not 1000000000000"),
        (["topology", "--model", "llama-2-7b", "--batch", f"{10**12}"], "batch is at most 65536, not 1000000000000"),
        (["simulate", "--text", "absent.txt"], "text file 'absent.txt' cannot be read"),
        (["simulate", "--text", "/dev/null"], "text file '/dev/null' has at least 2 bytes, not 0"),
        (["simulate", "--accuracy-bytes", "1"], "accuracy_bytes is at least 2, not 1"),
        (["simulate", "--colour", "red"], "No such option: --colour"),
        (["simulat"], "No such command 'simulat'"),
        (["generate", "--design", "mixpe"], "unknown design 'mixpe'"),
        (["verify", "--design", "mixpe"], "unknown design 'mixpe'"),
        (["fit", "--device", "u55c"], "unknown device 'u55c'; known are u280, vck190, zcu102, kv260, vhk158"),
        (["verify", "--model", "gpt-9"], "unknown model 'gpt-9'; known are tiny-stdlib, or a folder with config.json"),
        (["synth", "--target", "spartan"], "unknown synthesis target 'spartan'; known are"),
        (["synth", "--target", "absent.lib"], "Liberty file 'absent.lib' cannot be read: No such file or directory"),
        (["synth", "--target", "/dev/null/x.lib"], "Liberty file '/dev/null/x.lib' cannot be read: Not a directory"),
        (["synth", "--design", "mixpe"], "unknown design 'mixpe'"),
    ],
)
def test_wrong_input_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    out = ["--out", "results"] if arguments[0] in ("simulate", "generate", "verify", "reproduce") else []
    assert run(monkeypatch, *arguments, *out) == 2
    captured = capsys.readouterr()
    assert message in captured.err
    assert captured.err.count("\n") == 1
    assert captured.out == ""
    assert list(tmp_path.iterdir()) == [], "not even a folder"


@pytest.mark.parametrize(
    ("verb", "fields", "message"),
    [
        (
            "generate",
            'dataflow = "dot_product"',
            "hardware of arrays is output_stationary or weight_stationary, not dot_product",
        ),
        ("verify", 'dataflow = "dot_product"', "hardware of arrays is output_stationary or weight_stationary, not dot_product"),
        ("simulate", 'technology = "3nm"', "unknown technology '3nm'; known are unit"),
        ("simulate", "weight_buffer_kib = 2", "energy of the weight buffer is known from 4 to 2048 KiB, not for 2 KiB"),
        (
            "simulate",
            "weight_buffer_kib = 8\ngroup_size = 256",
            "weight_buffer_kib of a 32x32 output_stationary array with groups of 256 is at least 9, not 8",
        ),
        (
            "simulate",
            'dataflow = "weight_stationary"\ncolumns = 4096\noutput_buffer_kib = 49\nweight_buffer_kib = 300',
            "output_buffer_kib of a 32x4096 weight_stationary array with groups of 64 is at least 50, not 49",
        ),
        ("simulate", "memory_channels = 0", "memory_channels of a design is between 1 and 65536, not 0"),
        ("simulate", "rows = 256\ncolumns = 256\noutput_buffer_kib = 511", "is at least 512, not 511"),
    ],
)
def test_a_design_that_cannot_work_is_refused_before_the_work(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str], verb: str, fields: str, message: str
) -> None:
    (tmp_path / "bad.toml").write_text(fields)
    assert run(monkeypatch, verb, "--design", str(tmp_path / "bad.toml"), "--out", str(tmp_path / "out")) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith(f"shiftwise: design file {str(tmp_path / 'bad.toml')!r}: ")
    assert message in captured.err
    assert captured.err.count("\n") == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ["simulate", "--design", "mixpe"],
        ["simulate", "--model", "gpt-9"],
        ["simulate", "--batch", "0"],
        ["simulate", "--text", "absent.txt"],
        ["topology", "--model", "gpt-9"],
        ["verify", "--design", "mixpe"],
        ["verify", "--model", "gpt-9"],
        ["simulate", "--design", "dense-u280", "--sequence", "0"],
        ["simulate", "--design", "dense-u280", "--model", "gpt-9"],
        ["simulate", "--design", "dense-u280", "--recipe", "awq"],
        ["explore", "--design", "mixpe"],
        ["compare", "--model", "gpt-9"],
        ["allocate", "--bits", "4", "--sequence", "0"],
    ],
)
def test_what_can_be_refused_at_once_is_refused_without_torch(tmp_path: Path, arguments: list[str]) -> None:
    """A process that cannot import torch, which takes seconds, says the same sentence."""
    code = "import sys; sys.modules['torch'] = None; from shiftwise.cli import main; main()"
    command = [sys.executable, "-c", code, *arguments]
    done = subprocess.run(command, cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
    assert list(tmp_path.iterdir()) == []


def test_hardware_that_is_made_and_not_written_is_no_news(monkeypatch: pytest.MonkeyPatch) -> None:
    """As where synthesis has another text for it, which ``fit`` of a chain that was not measured does."""

    def one_of_two(**_: object) -> None:
        assert module_texts([Selector(16)])
        Selector(8)

    monkeypatch.setattr(shiftwise.cli, "app", one_of_two)
    with warnings.catch_warnings(record=True) as shown:
        warnings.simplefilter("always")
        main()
    assert [str(warning.message) for warning in shown] == []


def test_names_are_not_markup(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("COLUMNS", "400")
    assert run(monkeypatch, "generate", "--design", "edge-w4a8", "--out", str(tmp_path / "x[/b]")) == 0
    assert "x[/b]/manifest.json" in capsys.readouterr().out


@pytest.mark.parametrize("command", ["simulate", "generate", "verify"])
def test_an_output_folder_that_cannot_be_written(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    (tmp_path / "file").write_text("in the way")
    assert run(monkeypatch, command, "--out", str(tmp_path / "file" / "out")) == 2
    assert "cannot be written" in capsys.readouterr().err


def test_ctrl_c_ends_with_its_own_status_and_no_results(tmp_path: Path) -> None:
    """A whole process, interrupted as soon as it says that the trace is done."""
    command = [sys.executable, "-m", "shiftwise", "simulate", "--out", str(tmp_path / "out")]
    # A shell's background jobs ignore the signal, and so would what they start.
    heed = partial(signal.signal, signal.SIGINT, signal.default_int_handler)
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, preexec_fn=heed) as process:
        assert process.stderr
        assert "trace" in process.stderr.readline()
        process.send_signal(signal.SIGINT)
        said = process.stderr.read()
    assert process.returncode == 130
    assert said.splitlines()[-1].startswith("shiftwise: interrupted")
    assert "Traceback" not in said
    assert not (tmp_path / "out").exists()
