"""Designs from presets and TOML files, and the sentences for those that cannot be."""

from pathlib import Path

import pytest

from sim.design import PRESETS, DesignPoint, load_design, of_file
from sim.errors import InputError
from sim.files import check_output, output_folder, write_together, write_whole


@pytest.mark.parametrize("name", PRESETS)
def test_presets_load_under_their_name(name: str) -> None:
    assert load_design(name).name == name


def test_the_mixpe_preset_is_the_study_s_configuration() -> None:
    """arXiv 2411.16158: 500 MHz, scratchpads of 128/256/128 KiB, 1024 bit/cycle of DRAM."""
    d = load_design("mixpe-w4a8")
    assert (d.rows, d.columns, d.group_size, d.pe) == (32, 32, 64, "shift_add")
    assert (d.weight_buffer_kib, d.activation_buffer_kib, d.output_buffer_kib) == (128, 256, 128)
    assert d.dram_bits_per_second == 1024 * d.clock_hz
    assert (d.weight_format, d.activation_format, d.clock_mhz) == ("uint4", "int8", 500)


def test_a_toml_file_is_the_keyword_arguments(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('rows = 8\nweight_format = "uint3"\n')
    assert load_design(str(path)) == DesignPoint("mine", rows=8, weight_format="uint3")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("rows = 0", "rows of a design is between 1 and 65536, not 0"),
        (f"rows = {10**30}", "rows of a design is between 1 and 65536, not 1000000"),
        ('rows = "eight"', "rows of a design is an integer, not 'eight'"),
        ("rows = true", "rows of a design is an integer, not True"),
        ("rows = 2026-01-31", "rows of a design is an integer, not 2026-01-31"),
        (
            "rowz = 8",
            "unknown field 'rowz' of an array's design, for which a file without fields that only overlays have is taken",
        ),
        ("rows = ", "Invalid value"),
        ('weight_format = "uint9"', "unknown weight format 'uint9'; known are uint1"),
        ('weight_format = "int16"', "integer or +-1 plane weights of 1 to 8 bits, not int16"),
        ('activation_format = "uint8"', "symmetric, so their format is signed, not uint8"),
        ("group_size = 9000", "group_size of uint4 x int8 is at most 8738, not 9000"),
        ('memory = "sdram"', "unknown memory 'sdram'; known are lpddr4"),
        ('dataflow = "row_stationary"', "unknown dataflow 'row_stationary'; known are output_stationary, weight_stationary"),
        ("memory_channels = 0", "memory_channels of a design is between 1 and 65536, not 0"),
        ('scaling = "mx"', "weights in blocks of mx have no zero points, so their format is signed, not uint4"),
        ('scaling = "int8"', "unknown scaling 'int8'; known are fp16, mx, nvfp4"),
        ("bank_ports = 3", "bank_ports of a design is 1 or 2, not 3"),
        ("pipeline = 3", "pipeline of a shift_add PE is 0 or 1 or 2, not 3"),
        ("pipeline = true", "pipeline of a design is an integer, not True"),
        ('pe = "bit_serial"\npipeline = 2', "pipeline of a bit_serial PE is 1, not 2"),
        ("double_buffered = 1", "double_buffered of a design is true or false, not 1"),
        ('kv_format = "e2m1"', "kv_format is one that the PE takes as a weight: a shift_add PE takes integer"),
        ('kv_format = "int9"', "unknown KV format 'int9'; known are as_weights, uint1"),
        (
            'dataflow = "dot_product"\naccumulator = "saturate18"',
            "a dot_product array adds in another order than that of k, so its accumulator is exact or wrap, not saturate18",
        ),
    ],
)
def test_what_cannot_be_built_is_one_sentence(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "bad.toml"
    path.write_text(text)
    with pytest.raises(InputError) as caught:
        load_design(str(path))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("name", ["nope", "nope.toml", ""])
def test_unknown_designs(name: str) -> None:
    with pytest.raises(InputError, match=repr(name)):
        load_design(name)


def test_the_largest_group_is_exact_in_fp32() -> None:
    """8738 * 15 * 128 = 16,776,960 is below 2**24 = 16,777,216; one more group member is not."""
    assert DesignPoint("d", group_size=8738).corrected_bits == 25


def test_products_of_aligned_wait_for_their_group() -> None:
    """A group of 16 and three stages; integers have one exponent, e1m2 numbers too, so nothing waits."""
    fields = {"accumulator": "aligned4", "group_size": 16}
    mixed = DesignPoint("d", "mixed", "uint4", "e4m3", **fields)
    assert mixed.pe_latency == mixed.array.sum_latency == 16 + 3
    assert mixed.array.result_cycles(1, 16, 1)[0, 0] == 15 + 16 + 3 + 6
    assert DesignPoint("d", "multiplier", "int4", "int8", **fields).pe_latency == 2
    assert DesignPoint("d", "mixed", "uint4", "e1m2", **fields).pe_latency == 3
    for pipeline, latency in ((0, 16 + 1), (2, 16 + 4)):
        assert DesignPoint("d", "mixed", "uint4", "e4m3", pipeline=pipeline, **fields).array.sum_latency == latency


def test_corrected_sums_of_given_width() -> None:
    """uint4 x int8 in groups of 64: zero points take up to 15 * 64 * 128 = 122,880, that is 18 bits; one more for the sum."""
    assert DesignPoint("d", accumulator="wrap12").corrected_bits == 18 + 1
    assert DesignPoint("d", accumulator="wrap24").corrected_bits == 24 + 1


def test_a_design_file_that_is_no_text(tmp_path: Path) -> None:
    path = tmp_path / "latin.toml"
    path.write_bytes(b'name = "\xff"')
    with pytest.raises(InputError, match="^design file '.*latin.toml' is not TOML: it is no text in UTF-8$"):
        load_design(str(path))


def test_a_fault_that_is_found_later_names_the_file() -> None:
    with pytest.raises(InputError, match="^design file 'mine.toml': too small$"), of_file("mine.toml"):
        raise InputError("too small")
    for unnamed in ("mixpe-w4a8", DesignPoint("mine")):
        with pytest.raises(InputError, match="^too small$"), of_file(unnamed):
            raise InputError("too small")


@pytest.mark.parametrize("place", ["", "new", "new/deep"])
def test_checking_an_output_folder_makes_none(tmp_path: Path, place: str) -> None:
    check_output(tmp_path / place)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("place", ["file", "file/new", "file/new/deep"])
def test_checking_an_output_folder_below_a_file(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(InputError, match=f"^output folder '.*{place}' cannot be written: Not a directory"):
        check_output(tmp_path / place)


def test_an_output_folder_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(InputError, match="cannot be written"):
        output_folder(tmp_path / "file")


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    write_whole(path, "old")
    with pytest.raises(UnicodeEncodeError):
        write_whole(path, "\ud800")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_files_that_are_written_together_are_all_there_or_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_together(tmp_path, {"one": b"1", "two": b"2"})
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"one": b"1", "two": b"2"}
    written = []

    def full(path: Path, parts: list[bytes]) -> None:
        if written:
            raise InputError("the disk is full")
        written.append(path)
        path.write_bytes(parts[0])

    monkeypatch.setattr("sim.files.write_parts", full)
    with pytest.raises(InputError, match="the disk is full"):
        write_together(tmp_path, {"one": b"new", "two": b"new", "three": b"new"})
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"one": b"1", "two": b"2"}
