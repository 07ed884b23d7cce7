from costmodel.synthesis.packing import lut_sites, memory_sites


def lut(output, *inputs):
    return {"type": f"LUT{len(inputs)}", "connections": {"O": [output], **{f"I{i}": [bit] for i, bit in enumerate(inputs)}}}


def carry(propagate, generate, sums=(), carries=()):
    return {"type": "CARRY4", "connections": {"S": propagate, "DI": generate, "O": list(sums), "CO": list(carries)}}


def sites(*cells):
    return lut_sites({str(i): cell for i, cell in enumerate(cells)})


def test_small_luts_share_a_site_of_five_inputs():
    assert sites(lut(10, 1, 2, 3), lut(11, 4, 5)) == 1
    assert sites(lut(10, 1, 2), lut(11, 4, 5)) == 1
    assert sites(lut(10, 1, 2, 3), lut(11, 4, 5, 6)) == 2
    assert sites(lut(10, 1, 2, 3, 4), lut(11, 5)) == 1
    assert sites(lut(10, 1, 2, 3, 4, 5, 6), lut(11, 1)) == 2
    assert sites() == 0


def test_a_carry_bit_takes_its_own_site():
    propagate = [lut(10 + i, 1, 2) for i in range(4)]
    assert sites(*propagate, carry([10, 11, 12, 13], [1, 1, 1, 1])) == 4


def test_the_generating_lut_comes_along_where_five_inputs_suffice():
    four = [lut(20, 1, 2, 3, 4), lut(30, 3, 4)]
    assert sites(*four, carry([20, "0", "0", "0"], [30, "0", "0", "0"])) == 1
    six = [lut(20, 1, 2, 3, 4), lut(30, 5, 6)]
    assert sites(*six, carry([20, "0", "0", "0"], [30, "0", "0", "0"])) == 2


def test_a_signal_without_a_lut_passes_through_its_site():
    assert sites(carry([1, 2, "0", "0"], [3, 4, "0", "0"])) == 2


def test_a_bit_with_a_constant_takes_its_site_where_it_is_read_or_passed():
    """UG574: the chain's S comes from the LUT of the site, so no other function can leave it."""
    chain = carry(["0", "1", "0", "0"], [1, "0", "0", "0"], [40, 41, 42, 43], [50, 51, 52, 53])
    assert sites(chain) == 0
    assert sites(chain, lut(60, 42)) == 3 + 1  # the third sum is read, and the first two carry to it
    assert sites(chain, lut(60, 50)) == 1 + 1  # the first carry is read
    assert lut_sites({"chain": chain}, [41]) == 2  # a port reads the second sum
    assert sites(carry(["0", 7, "0", "0"], [1, 2, "0", "0"])) == 2
    behind = lut(30, 1, 2, 3, 4, 5)
    assert sites(behind, carry(["0", 7, "0", "0"], [30, 2, "0", "0"])) == 2  # DI of five inputs beside a constant S


def test_memories():
    assert memory_sites({"SRL16E": 3, "RAM32M16": 2, "FDRE": 7}) == 3 + 16
    assert sites({"type": "SRLC32E", "connections": {}}) == 1
