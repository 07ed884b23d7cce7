"""Tensors in files: everything comes back, the safetensors library opens them, and a broken file is refused in a sentence."""

import json
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import safetensors
import safetensors.numpy

from sim.errors import InputError
from sim.formats.families import codebook
from sim.quantized import SCHEMES, Axis, QuantizedTensor, ScaleLevel, Scheme, quantize, read_tensor, write_tensor

CASES = [(name, axis) for name, scheme in SCHEMES.items() for axis in scheme.axes]
OWN = Scheme(codebook("own", [-1, -0.25, 0.25, 1]), (ScaleLevel("group", "bf16"),), group_size=8)


def header_of(path: Path) -> tuple[dict, int]:
    data = path.read_bytes()
    length = int.from_bytes(data[:8], "little")
    return json.loads(data[8 : 8 + length]), 8 + length


@pytest.mark.parametrize(("name", "axis"), CASES)
@pytest.mark.parametrize("shape", [(1, 1), (133, 5), (5, 133)])
def test_what_is_read_is_what_was_written(
    tmp_path: Path, make: Callable[..., QuantizedTensor], name: str, axis: Axis, shape: tuple[int, int]
) -> None:
    for scheme in (SCHEMES[name], OWN):
        tensor = make(scheme, shape, axis)
        write_tensor(tensor, tmp_path / "tensor.safetensors")
        read = read_tensor(str(tmp_path / "tensor.safetensors"))
        assert read == tensor
        assert [a.dtype for a in (read.codes, *read.scales)] == [a.dtype for a in (tensor.codes, *tensor.scales)]
        assert np.array_equal(read.dequantize(), tensor.dequantize())
    assert [file.name for file in tmp_path.iterdir()] == ["tensor.safetensors"]


@pytest.mark.parametrize(("name", "axis"), CASES)
def test_a_file_has_the_bits_that_are_counted(tmp_path: Path, rng: np.random.Generator, name: str, axis: Axis) -> None:
    path = tmp_path / "tensor.safetensors"
    tensor = quantize(rng.normal(size=(131, 7)), SCHEMES[name], axis)
    write_tensor(tensor, path)
    sections = tensor.scheme.section_bits(tensor.shape, axis)
    assert sum(sections.values()) == tensor.bits
    assert path.stat().st_size == header_of(path)[1] + sum(-(-bits // 8) for bits in sections.values())


@pytest.mark.parametrize(("name", "axis"), CASES)
def test_safetensors_opens_it(tmp_path: Path, rng: np.random.Generator, name: str, axis: Axis) -> None:
    path = tmp_path / "tensor.safetensors"
    tensor = quantize(rng.normal(size=(131, 7)), SCHEMES[name], axis)
    write_tensor(tensor, path)
    theirs = safetensors.numpy.load_file(path)
    for index, scales in enumerate(tensor.scales):
        assert np.array_equal(theirs[f"scale_{index}"], scales)
    bits = np.unpackbits(theirs["codes"], bitorder="little")[: tensor.codes.size * tensor.format.bits]
    codes = bits.reshape(-1, tensor.format.bits).astype(np.uint32) @ (1 << np.arange(tensor.format.bits))
    assert np.array_equal(codes.reshape(tensor.shape), tensor.codes)
    assert header_of(path)[1] % 8 == 0
    with safetensors.safe_open(path, "np") as file:
        assert file.metadata()["format"] == tensor.format.name
        assert file.metadata()["shape"] == "131 7"


def test_it_reads_what_safetensors_writes(tmp_path: Path, rng: np.random.Generator) -> None:
    path = tmp_path / "tensor.safetensors"
    tensor = quantize(rng.normal(size=(131, 7)), SCHEMES["uint4_minimum_g64"], 0)
    write_tensor(tensor, path)
    safetensors.numpy.save_file(safetensors.numpy.load_file(path), path, header_of(path)[0]["__metadata__"])
    assert read_tensor(path) == tensor


def refusal(path: Path) -> str:
    with pytest.raises(InputError) as caught:
        read_tensor(path)
    message = str(caught.value)
    assert message.startswith(f"{str(path)!r} ")
    assert "\n" not in message
    assert len(message) < 1000
    return message


@pytest.fixture
def written(tmp_path: Path) -> Path:
    path = tmp_path / "tensor.safetensors"
    write_tensor(quantize(np.linspace(-1, 1, 65 * 3).reshape(65, 3), SCHEMES["uint4_g64"], 0), path)
    return path


def changed(path: Path, change: Callable[[dict], object]) -> str:
    """The refusal of the file with another header."""
    header, start = header_of(path)
    data = path.read_bytes()[start:]
    change(header)
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)
    return refusal(path)


def test_files_that_are_none(tmp_path: Path) -> None:
    assert refusal(tmp_path / "absent").endswith("No such file or directory; a file in the layout of safetensors is needed")
    assert "Is a directory" in refusal(tmp_path)
    path = tmp_path / "broken"
    for content, message in (
        (b"", "the header of a file of 0 bytes has 2 to -8 bytes, not 0"),
        (b"\1\0\0", "the header of a file of 3 bytes has 2 to -5 bytes, not 1"),
        (b"\xff" * 8 + b"{}", f"has 2 to 2 bytes, not {2**64 - 1}"),
        ((1 << 20).to_bytes(8, "little") + bytes(1 << 21), f"has 2 to {1 << 16} bytes, not {1 << 20}"),
        ((2).to_bytes(8, "little") + b"[]", "the header is a JSON object, not list"),
        ((2).to_bytes(8, "little") + b"\xff\xfe", "the header is a JSON object, not UnicodeDecodeError"),
        ((60000).to_bytes(8, "little") + b"[" * 60000, "the header is a JSON object, not RecursionError"),
        ((6000).to_bytes(8, "little") + b'{"a":' + b"9" * 5994 + b"}", "the header is a JSON object, not ValueError"),
        ((13).to_bytes(8, "little") + b'{"a":1,"a":2}', "names in the header are all different, not ['a', 'a']"),
        ((2).to_bytes(8, "little") + b"{}", "with layout 'shiftwise quantized tensor 1', not {}"),
    ):
        path.write_bytes(content)
        assert refusal(path).endswith(message)


def test_no_spoiled_byte_does_worse_than_a_refusal(written: Path, rng: np.random.Generator) -> None:
    """Half of the changes in the header; what is read all the same is a tensor, as its class checks."""
    data = written.read_bytes()
    for trial in range(600):
        spoiled = bytearray(data)
        spoiled[rng.integers(len(data) if trial % 2 else header_of(written)[1])] = rng.integers(256)
        path = written.with_name("spoiled")
        path.write_bytes(spoiled)
        try:
            assert isinstance(read_tensor(path), QuantizedTensor)
        except InputError as error:
            assert "\n" not in str(error)


@pytest.mark.parametrize("cut", range(1, 400, 7))
def test_a_file_cut_short_or_lengthened(written: Path, cut: int) -> None:
    data = written.read_bytes()
    written.write_bytes(data[:-cut])
    refusal(written)
    written.write_bytes(data + bytes(cut))
    refusal(written)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda h: h["codes"]["data_offsets"].reverse(), "are 98 bytes apart, not"),
        (lambda h: h["codes"].update(data_offsets=[0, 98]), "without gap or overlap"),
        (lambda h: h["codes"].update(data_offsets=[10**6, 10**6 + 98]), "without gap or overlap"),
        (lambda h: h["codes"].update(data_offsets=[-98, 0]), "are 98 bytes apart, not [-98, 0]"),
        (lambda h: h["codes"].update(data_offsets=[0.0, 98.0]), "are 98 bytes apart, not [0.0, 98.0]"),
        (lambda h: h["codes"].update(shape=[10**18]), f"are {10**18} bytes apart"),
        (lambda h: h["codes"].update(shape=[10**4000, 10**4000]), "has at most 2 sizes, not [1"),
        (lambda h: h["codes"].update(shape=[True]), "has at most 2 sizes, not [True]"),
        (lambda h: h["codes"].update(shape=[1] * 9), "has at most 2 sizes, not [1, 1, 1, 1, 1, 1, ...]"),
        (lambda h: h["codes"].update(shape=[98, 1]), "array 'codes' is one row of uint8, not uint8 of shape (98, 1)"),
        (lambda h: h["codes"].update(dtype="F8"), "unknown dtype 'F8'; known are U8, U16, F16, F32"),
        (lambda h: h["codes"].update(dtype=["U8"]), "unknown dtype \"['U8']\"; known are U8, U16, F16, F32"),
        (lambda h: h["codes"].pop("shape"), "has dtype, shape and data_offsets, not"),
        (lambda h: h.update(codes=[1]), "has dtype, shape and data_offsets, not [1]"),
        (lambda h: h.pop("codes"), "without gap or overlap"),
        (lambda h: h.update(other=h.pop("codes")), "its arrays have"),
        (lambda h: h.update(__metadata__=[]), "__metadata__ has strings only, not []"),
        (lambda h: h["__metadata__"].update(axis=0), "__metadata__ has strings only, not"),
        (lambda h: h["__metadata__"].pop("axis"), "its strings are axis,"),
        (lambda h: h["__metadata__"].update(layout="1"), "with layout 'shiftwise quantized tensor 1', not"),
        (lambda h: h["__metadata__"].update(axis="2"), "unknown reduction axis '2'; known are 0, 1"),
        (lambda h: h["__metadata__"].update(axis="1"), "its arrays have"),
        (lambda h: h["__metadata__"].update(format="int99"), "unknown element format 'int99'"),
        (lambda h: h["__metadata__"].update(format="int4"), "unsigned integer format, not with int4"),
        (lambda h: h["__metadata__"].update(format="uint8"), "its arrays have"),
        (lambda h: h["__metadata__"].update(levels="group"), "'per format', separated by commas, not 'group'"),
        (lambda h: h["__metadata__"].update(levels="row fp16"), "unknown level of scales 'row'"),
        (lambda h: h["__metadata__"].update(levels="token fp16"), "without scales per group is 0, not 64"),
        (lambda h: h["__metadata__"].update(levels="group bf16"), "are of type uint16, not float16"),
        (lambda h: h["__metadata__"].update(zero="minimum"), "its arrays have"),
        (lambda h: h["__metadata__"].update(group_size="0"), "at least 1, not 0"),
        (lambda h: h["__metadata__"].update(group_size="-64"), "at most 19 digits, not '-64'"),
        (lambda h: h["__metadata__"].update(group_size="9" * 20), "at most 19 digits, not"),
        (lambda h: h["__metadata__"].update(shape="65"), "two sizes of at least 1, not '65'"),
        (lambda h: h["__metadata__"].update(shape="0 3"), "two sizes of at least 1, not '0 3'"),
        (lambda h: h["__metadata__"].update(shape="9999999999999999 3"), "its arrays have"),
        (lambda h: h["__metadata__"].update(shape="3 65"), "its arrays have"),
        (lambda h: h["__metadata__"].update(fitted="true"), "unknown value of fitted 'true'; known are False, True"),
        (lambda h: h["__metadata__"].update(fitted="True"), "its arrays have"),
        (lambda h: h["__metadata__"].update(axis="x" * 5000), "at most 256 characters, not 5000 as 'xxx"),
    ],
)
def test_a_wrong_header(written: Path, change: Callable[[dict], object], message: str) -> None:
    assert message in changed(written, change)


def test_codes_and_scales_out_of_range(tmp_path: Path) -> None:
    path = tmp_path / "tensor.safetensors"

    def spoiled(name: str, array: str, offset: int, byte: int) -> str:
        write_tensor(quantize(np.ones((33, 3)), SCHEMES[name], 0), path)
        header, start = header_of(path)
        data = bytearray(path.read_bytes())
        data[start + header[array]["data_offsets"][0] + offset] = byte
        path.write_bytes(data)
        return refusal(path)

    assert spoiled("e4m3_channel", "codes", 7, 0x7F).endswith("finite numbers of ocp_e4m3, not 0x7f")
    assert spoiled("mxfp4", "scale_0", 5, 0xFF).endswith("positive finite numbers, not nan")
    assert spoiled("nvfp4", "scale_1", 0, 0).endswith("positive finite numbers, not 0.0")
    assert spoiled("uint4_g64", "codes", 49, 0xF0).endswith("the last 4 bits of packed codes are 0, not 0xf")
    assert spoiled("kmeans4_channel", "table", 1, 0x7C).endswith("numbers of a codebook are finite, not inf")


def test_nothing_is_allocated_for_sizes_that_are_not_there(written: Path) -> None:
    tracemalloc.start()
    try:
        changed(written, lambda h: h["__metadata__"].update(shape="99999999 99999999"))
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


def test_a_folder_that_takes_no_file(tmp_path: Path) -> None:
    tensor = quantize(np.ones((2, 2)), SCHEMES["mxfp4"], 0)
    with pytest.raises(InputError, match="cannot be written"):
        write_tensor(tensor, tmp_path / "absent" / "tensor.safetensors")


def test_a_name_too_long_to_be_read_is_not_written(tmp_path: Path) -> None:
    scheme = Scheme(codebook("x" * 257, [0, 1]), (ScaleLevel("channel", "fp16"),))
    with pytest.raises(InputError, match="at most 256 characters, not 257"):
        write_tensor(quantize(np.ones((2, 2)), scheme, 0), tmp_path / "tensor.safetensors")


def test_a_file_is_replaced_as_a_whole(written: Path) -> None:
    before = written.read_bytes()
    tensor = quantize(np.ones((2, 2)), SCHEMES["mxfp4"], 0)
    write_tensor(tensor, written)
    assert read_tensor(written) == tensor
    assert written.read_bytes() != before
