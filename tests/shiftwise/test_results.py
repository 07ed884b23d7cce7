"""Findings in a file: whole or not there, whatever happens to the process, the file or the disk."""

import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from shiftwise.results import FILE, Results
from sim.errors import InputError


def test_what_is_kept_is_known_again(tmp_path: Path) -> None:
    findings = {"a": 1.5, "b": None, "c": {"name": "x", "numbers": [1, 2]}}
    with Results(tmp_path) as results:
        results.keep(findings)
    with Results(tmp_path) as results:
        assert results.known(["a", "c", "other", "b"]) == findings
        results.keep({"a": 2})
        assert (results.known(["a"]), len(results)) == ({"a": 2}, 3)


KEEPS_UNTIL_KILLED = """
import itertools, sys
from shiftwise.results import Results
with Results(sys.argv[1]) as results:
    for number in itertools.count():
        results.keep({str(number): number})
        print(number, flush=True)
"""


def test_a_killed_process_loses_nothing_that_it_kept(tmp_path: Path) -> None:
    writer = subprocess.Popen([sys.executable, "-c", KEEPS_UNTIL_KILLED, tmp_path], stdout=subprocess.PIPE, text=True)
    assert writer.stdout
    last = [writer.stdout.readline() for _ in range(20)][-1]
    os.kill(writer.pid, signal.SIGKILL)
    told = [last, *writer.stdout.read().split()]
    writer.wait()
    with Results(tmp_path) as results:
        known = results.known(map(str, range(int(told[-1]) + 2)))
        assert {int(key): value for key, value in known.items()}.items() >= {i: i for i in range(int(told[-1]) + 1)}.items()
        assert sqlite3.connect(tmp_path / FILE).execute("PRAGMA integrity_check").fetchone() == ("ok",)


@pytest.mark.parametrize("damage", ["text", "cut", "other tables"])
def test_a_damaged_file_is_kept_aside_and_named(damage: str, tmp_path: Path) -> None:
    file = tmp_path / FILE
    if damage == "other tables":
        with sqlite3.connect(file) as other:
            other.execute("CREATE TABLE findings (number INTEGER)")
    else:
        with Results(tmp_path) as results:
            results.keep({str(i): "x" * 1000 for i in range(100)})
        whole = file.read_bytes()
        file.write_bytes(b"not a database" * 100 if damage == "text" else whole[: len(whole) // 2])
    content = file.read_bytes()
    with pytest.raises(InputError, match=f"results.sqlite' is damaged and was moved to .*{FILE}.damaged-1'"):
        Results(tmp_path)
    assert (tmp_path / f"{FILE}.damaged-1").read_bytes() == content
    with Results(tmp_path) as results:
        assert len(results) == 0
    file.write_bytes(b"again no database" * 100)
    with pytest.raises(InputError, match=f"moved to .*{FILE}.damaged-2'"):
        Results(tmp_path)


def test_a_full_disk_is_one_sentence_and_loses_nothing(tmp_path: Path) -> None:
    with Results(tmp_path) as results:
        results.keep({"first": 1})
        results._connection.execute("PRAGMA max_page_count = 4")  # SQLite says of its limit what it says of the disk's
        with pytest.raises(
            InputError, match="cannot be written: database or disk is full; what was found before is still in it"
        ):
            results.keep({str(i): "x" * 1000 for i in range(100)})
        assert results.known(["first", "0"]) == {"first": 1}


def test_two_processes_may_keep_at_once(tmp_path: Path) -> None:
    writers = [
        subprocess.Popen([sys.executable, "-c", KEEPS_UNTIL_KILLED, tmp_path], stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    for writer in writers:
        assert writer.stdout is not None
        assert writer.stdout.readline()  # it has kept something, beside the other
    assert [writer.poll() for writer in writers] == [None, None]
    for writer in writers:
        writer.kill()
        writer.wait()
    with Results(tmp_path) as results:
        assert len(results) > 0


def test_a_folder_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="output folder .* cannot be written"):
        Results(tmp_path / "file")
