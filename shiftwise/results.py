"""What long runs find, in one SQLite file: each finding under a key, written when it is found.

A transaction is in the file or it is not, so that a process that is killed loses only what it had not written
(SQLite, "Atomic commit in SQLite"). A file that is damaged is kept under another name and never written to.
"""

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

from sim.errors import InputError
from sim.files import output_folder

FILE = "results.sqlite"
SCHEMA = "CREATE TABLE IF NOT EXISTS findings (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID"
PATIENCE = 30  # [s] as long as another process that writes may take


class Results:
    """Findings by key, values as JSON has them. Used as a context, at the end of which the file is closed.

    Raises ``InputError`` for a folder that cannot be written, a damaged file, which it moves aside, and a full disk.
    """

    def __init__(self, folder: str | Path) -> None:
        self.path = output_folder(folder) / FILE
        try:
            self._connection = _opened(self.path)
        except sqlite3.OperationalError as error:
            raise self._refused(error) from None
        except sqlite3.DatabaseError:
            aside = _moved_aside(self.path)
            raise InputError(
                f"results file {str(self.path)!r} is damaged and was moved to {str(aside)!r}; a new start finds all again"
            ) from None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(sqlite3.Error):
            self._connection.close()

    def known(self, keys: Iterable[str]) -> dict[str, Any]:
        """The findings that there are of some keys."""
        found = {}
        for key in keys:
            row = self._connection.execute("SELECT value FROM findings WHERE key = ?", (key,)).fetchone()
            if row is not None:
                found[key] = json.loads(row[0])
        return found

    def beginning(self, start: str) -> Iterator[tuple[str, Any]]:
        """The findings whose keys begin so, in the order of these, one after the other."""
        end = start[:-1] + chr(ord(start[-1]) + 1)
        rows = self._connection.execute("SELECT key, value FROM findings WHERE key >= ? AND key < ? ORDER BY key", (start, end))
        return ((key, json.loads(value)) for key, value in rows)

    def keep(self, findings: Mapping[str, Any]) -> None:
        """Write findings, all of them or none."""
        rows = [(key, json.dumps(value)) for key, value in findings.items()]
        try:
            with self._connection:
                self._connection.executemany("INSERT OR REPLACE INTO findings VALUES (?, ?)", rows)
        except sqlite3.OperationalError as error:
            raise self._refused(error) from None

    def __len__(self) -> int:
        return int(self._connection.execute("SELECT count(*) FROM findings").fetchone()[0])

    def _refused(self, error: sqlite3.Error) -> InputError:
        return InputError(f"results file {str(self.path)!r} cannot be written: {error}; what was found before is still in it")


def _opened(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=PATIENCE)
    try:
        verdict = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
        columns = [row[1] for row in connection.execute("PRAGMA table_info(findings)")]
        if verdict != "ok" or columns not in ([], ["key", "value"]):
            raise sqlite3.DatabaseError(f"{verdict}, findings have {columns}")
        connection.execute("PRAGMA journal_mode = WAL")
        with connection:
            connection.execute(SCHEMA)
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def _moved_aside(path: Path) -> Path:
    """The damaged file under the first name that is free; what SQLite keeps beside it goes with it."""
    number = 1
    while (aside := path.with_name(f"{path.name}.damaged-{number}")).exists():
        number += 1
    for ending in ("", "-wal", "-shm"):
        part = path.with_name(path.name + ending)
        if part.exists():
            part.rename(aside.with_name(aside.name + ending))
    return aside
