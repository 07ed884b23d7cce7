"""SCALE-Sim's files as they are in its repository, its own counts, and what its golden reports say of cycles."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.design import DesignPoint
from sim.errors import InputError
from sim.operators import Product
from workloads.topology import read_topology, write_topology

CONVOLUTIONS = "Layer name, IFMAP Height, IFMAP Width, Filter Height, Filter Width, Channels, Num Filter, Strides,"


def read(folder, text):
    path = folder / "topology.csv"
    path.write_text(text, encoding="utf-8")
    return read_topology(path)


def shapes(products):
    return [(p.name, p.m, p.k, p.n, p.count) for p in products]


def test_alexnet(tmp_path):
    """Lines of ``topologies/conv_nets/alexnet.csv``; the first layer's MACs are those of Krizhevsky et al., 55x55 outputs."""
    rows = (
        "Conv1     ,224         ,224        ,11           ,11          ,3       ,96        ,4      ,\n"
        "Conv3     ,13          ,13         ,3            ,3           ,256     ,384       ,1      ,\n"
    )
    first, third = read(tmp_path, f"{CONVOLUTIONS}\n{rows}")
    assert (first.m, first.k, first.n, first.macs) == (55 * 55, 363, 96, 105_415_200)
    assert (third.m, third.k, third.n) == (11 * 11, 2304, 384)  # the file leaves out the padding; with it there are 13x13


def test_resnet18(tmp_path):
    """``topologies/conv_nets/Resnet18.csv`` has words behind the last comma; the second row has the paper's padding."""
    header = "Layer name, IFMAP Height, IFMAP Width, Filter Height, Filter Width, Channels, Num Filter, Strides,, Target"
    rows = "Conv1,224,224,7,7,3,64,2, NPU\nPadded,229,229,7,7,3,64,2, GPU\nFC,1,1,1,1,512,1000,1, NPU\n"
    as_filed, padded, last = read(tmp_path, f"{header}\n{rows}")
    assert as_filed.m == 110 * 110  # ceil(219 / 2)
    assert padded.macs == 118_013_952  # 112 x 112 x 147 x 64 (He et al., table 1)
    assert shapes([last]) == [("FC", 1, 512, 1000, 1)]


def test_output_sizes_are_rounded_up(tmp_path):
    (layer,) = read(tmp_path, f"{CONVOLUTIONS}\na,230,8,7,3,1,1,2,\n")
    assert layer.m == 113 * 4  # where libraries have 112 x 3


def test_depthwise_convolution_is_a_layer_for_each_channel(tmp_path):
    (layer,) = read(tmp_path, f"{CONVOLUTIONS}\nConv_DP2,10,10,3,3,32,1,1,\n")
    assert shapes([layer]) == [("Conv_DP2", 64, 9, 1, 32)]


def test_matrix_topologies(tmp_path):
    """Lines of ``topologies/MoE/Switchtrans.csv`` and ``GEMM_mnk/gpt2.csv``, the latter without last commas."""
    text = "Layer,M,N,K,\r\nQKT_head,512,1024,64,\r\n\r\nRouter_logits,512,4,384,\r\n,,,,\r\n\r\n"
    assert shapes(read(tmp_path, text)) == [("QKT_head", 512, 64, 1024, 1), ("Router_logits", 512, 384, 4, 1)]
    assert shapes(read(tmp_path, "Layer,M,N,K\nLinear1,1024,4800,1600")) == [("Linear1", 1024, 1600, 4800, 1)]


def test_batch_and_dense_sparsity(tmp_path):
    text = "\ufefflayer name, m, n, k,\na,1,2,3,8,\nb,1,2,3,4:4,\nc,1,2,3,1:1,5,\n"
    assert shapes(read(tmp_path, text)) == [("a", 1, 3, 2, 8), ("b", 1, 3, 2, 1), ("c", 1, 3, 2, 5)]
    assert shapes(read(tmp_path, f"{CONVOLUTIONS}\na,4,4,2,2,1,3,1,2:2,\n")) == [("a", 9, 4, 3, 1)]
    assert shapes(read(tmp_path, f"{CONVOLUTIONS}\na,4,4,2,2,1,3,1,1,\n")) == [("a", 9, 4, 3, 1)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "line 1: a header is"),
        ("Layer,M,K,N,\na,1,2,3,\n", "line 1: a header is .*, not 'Layer, M, K, N'"),
        ("a,1,2,3,\nb,1,2,3,\n", "line 1: a header is"),
        ("Layer,M,N,K,\n\n", "at least one layer"),
        ("Layer,M,N,K,\na,1,2,\n", "line 2: a row has a name and M, N, K, not 'a, 1, 2'"),
        ("Layer,M,N,K,\na,1,2,3,\n\nb,1,x,3,\n", "line 4: N is an integer between 1 and 2147483648, not 'x'"),
        ("Layer,M,N,K,\na,0,2,3,\n", "line 2: M is .*, not '0'"),
        ("Layer,M,N,K,\na,1,2.0,3,\n", "line 2: N is .*, not '2.0'"),
        ("Layer,M,N,K,\na,1,2,-3,\n", "line 2: K is .*, not '-3'"),
        ("Layer,M,N,K,\na,1,2," + "9" * 5000 + ",\n", "line 2: K is"),
        ("Layer,M,N,K,\na,1,2,٣,\n", "line 2: K is"),
        ("Layer,M,N,K,\na,1,,3,\n", "line 2: N is .*, not ''"),
        ("Layer,M,N,K,\na,1,2,3,2:4,\n", "line 2: layers are dense, with a sparsity of 1:1, not '2:4'"),
        ("Layer,M,N,K,\na,1,2,3,4,5,\n", "line 2: a row has a sparsity and a batch behind K at most, not '4, 5'"),
        (f"{CONVOLUTIONS}\na,4,4,5,2,1,1,1,\n", "line 2: a filter is at most as large as its IFMAP, 4x4, not 5x2"),
        (f"{CONVOLUTIONS}\na,4,4,2,2,1,1,\n", "line 2: a row has a name and IFMAP Height"),
        (f"{CONVOLUTIONS}\na,4,4,2,2,1,1,1,2:4,\n", "line 2: layers are dense"),
        (f"{CONVOLUTIONS}\na,4,4,2,2,1,1,1,2,\n", "line 2: strides are the same in both directions, 1, .*, not '2'"),
    ],
)
def test_malformed_files(tmp_path, text, message):
    with pytest.raises(InputError, match=message) as caught:
        read(tmp_path, text)
    assert "topology.csv" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_files_that_cannot_be_read_or_written(tmp_path):
    with pytest.raises(InputError, match=r"absent.csv' cannot be read"):
        read_topology(tmp_path / "absent.csv")
    (tmp_path / "binary.csv").write_bytes(b"Layer,M,N,K,\n\xff\xfe")
    with pytest.raises(InputError, match="not a CSV file"):
        read_topology(tmp_path / "binary.csv")
    with pytest.raises(InputError, match="cannot be written"):
        write_topology([Product("a", 1, 2, 3)], tmp_path / "no folder" / "a.csv")
    with pytest.raises(InputError, match="at least one product"):
        write_topology([], tmp_path / "a.csv")
    for name in ("a,b", "a\nb", " a"):
        with pytest.raises(InputError, match="names of a topology"):
            write_topology([Product(name, 1, 2, 3)], tmp_path / "a.csv")
    assert not (tmp_path / "a.csv").exists()


def test_written_file(tmp_path):
    write_topology([Product("q_proj", 2, 3, 4), Product("scores", 5, 6, 7, count=2, kind="scores")], tmp_path / "a.csv")
    assert (tmp_path / "a.csv").read_text() == "Layer,M,N,K,\nq_proj,2,4,3,\nscores_0,5,7,6,\nscores_1,5,7,6,\n"


NAMES = st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z"), exclude_characters=",\ufeff"), max_size=8)
SIZES = st.integers(1, 1 << 20)
PRODUCTS = st.builds(Product, NAMES, SIZES, SIZES, SIZES, count=st.integers(1, 5))


@given(st.lists(PRODUCTS, min_size=1, max_size=6))
def test_round_trip(tmp_path_factory, products):
    path = tmp_path_factory.getbasetemp() / "round_trip.csv"
    write_topology(products, path)
    again = read_topology(path)
    assert sum(p.macs for p in again) == sum(p.macs for p in products)
    assert [(p.m, p.k, p.n) for p in again] == [(p.m, p.k, p.n) for p in products for _ in range(p.count)]
    write_topology(again, path)
    assert read_topology(path) == again


def not_overlapped(dataflow, rows, columns, group_size=1 << 16):
    """A design by SCALE-Sim's conventions: nothing overlapped, all of k in one group."""
    return DesignPoint(
        name="as SCALE-Sim",
        pe="multiplier",
        weight_format="int8",
        activation_format="int8",
        accumulator="wrap32",
        group_size=group_size,
        rows=rows,
        columns=columns,
        dataflow=dataflow,
        double_buffered=False,
    )


GOLDEN = {
    "output_stationary": 52447 - 42272,
    "weight_stationary": 52447 - 41248,
    "input_stationary": 19984 - 5777,
}
"""Total less stall cycles of ``test/general/golden_trace_user_{os,ws,is}/COMPUTE_REPORT.csv`` in scalesim-project/scale-sim-v2,
for ``topologies/GEMM_mnk/test_mnk_input.csv`` on 32x32 PEs."""


@pytest.mark.parametrize("dataflow", GOLDEN)
def test_cycles_are_those_of_its_golden_reports_and_the_last_one(tmp_path, dataflow):
    (layer,) = read(tmp_path, "Layer Name, M, N, K,\nTest 1, 256, 128, 256,")
    design = not_overlapped(dataflow, 32, 32)
    assert design.array.compute_cycles(layer.m, layer.k, layer.n) == GOLDEN[dataflow] + 1


SMALL = f"{CONVOLUTIONS}\nconv,10,10,3,3,4,20,1,\npoint,9,9,1,1,40,7,2,\nfc,1,1,1,1,100,33,1,\n"
SPREAD = {
    "output_stationary": lambda m, n, k: (m, n, k),
    "weight_stationary": lambda m, n, k: (k, n, m),
    "input_stationary": lambda m, n, k: (k, m, n),
}
"""Along rows, along columns, in time (arXiv 1811.02883, table of the three dataflows; ``calc_spatio_temporal_params``)."""


@pytest.mark.parametrize("dataflow", SPREAD)
@pytest.mark.parametrize(("rows", "columns"), [(4, 4), (8, 5), (16, 32)])
def test_cycles_by_the_equation_of_its_papers(tmp_path, dataflow, rows, columns):
    """``2R + C + T - 2`` a fold; the output-stationary array of this project has no ``R`` cycles of shifting results out."""
    array = not_overlapped(dataflow, rows, columns).array
    for layer in read(tmp_path, SMALL):
        along_rows, along_columns, time = SPREAD[dataflow](layer.m, layer.n, layer.k)
        folds = -(-along_rows // rows) * -(-along_columns // columns)
        equation = folds * (2 * rows + columns + time - 2)
        shifted_out = folds * rows if dataflow == "output_stationary" else 0
        assert array.compute_cycles(layer.m, layer.k, layer.n) == equation - shifted_out, layer
