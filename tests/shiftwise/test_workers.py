"""Tasks in processes and on a cluster of this machine: every result once, also when a worker is lost on the way."""

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from shiftwise.workers import crew, each
from sim.errors import Failure, InputError

TASKS = list(range(12))


def square(number: int) -> int:
    return number * number


def square_in_time(task: tuple[int, str]) -> tuple[int, int]:
    """The square, and the process that found it; each evaluation leaves a file."""
    number, folder = task
    time.sleep(0.2)
    (Path(folder) / f"{number}-{os.getpid()}").touch()
    return number * number, os.getpid()


def fails(number: int) -> int:
    if number == 3:
        raise InputError("task 3 has no result")
    return number


def ends(number: int) -> int:
    if number == 3:
        os._exit(1)
    return number


@pytest.mark.parametrize("workers", [1, 2])
def test_every_task_has_its_result(workers: int) -> None:
    assert dict(each(square, TASKS, workers)) == {number: number * number for number in TASKS}


@pytest.mark.parametrize("workers", [1, 2])
def test_what_a_task_raises_is_raised(workers: int) -> None:
    with pytest.raises(InputError, match="^task 3 has no result$"):
        list(each(fails, TASKS, workers))


def test_a_process_that_ends_is_one_sentence() -> None:
    with pytest.raises(Failure, match="a worker process was ended; what was found is kept"):
        list(each(ends, TASKS, 2))


def test_threads_of_this_process_are_what_they_were(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "5")
    list(each(square, TASKS[:2], 2))
    assert os.environ["OMP_NUM_THREADS"] == "5"


@pytest.mark.parametrize("workers", [0, -1, 1025])
def test_a_number_of_processes_that_cannot_be(workers: int) -> None:
    with pytest.raises(InputError, match=f"workers are between 1 and 1024, not {workers}"):
        each(square, TASKS, workers)


def started(*command: str) -> "subprocess.Popen[str]":
    return subprocess.Popen([sys.executable, "-m", *command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, text=True)


@pytest.fixture(name="cluster")
def cluster_of_two(tmp_path: Path) -> Iterator[tuple[str, list["subprocess.Popen[str]"]]]:
    """A scheduler's address and its two workers, each a process, without a nanny that would start it again."""
    file = tmp_path / "scheduler.json"
    place = ["--host", "127.0.0.1", "--no-dashboard"]
    scheduler = started("distributed.cli.dask_scheduler", *place, "--port", "0", "--scheduler-file", str(file))
    while not file.exists():
        time.sleep(0.05)
    about = ["--scheduler-file", str(file), "--nthreads", "1", "--no-nanny", *place, "--local-directory", str(tmp_path)]
    workers = [started("distributed.cli.dask_worker", *about) for _ in range(2)]
    import json

    yield json.loads(file.read_text())["address"], workers
    for process in (*workers, scheduler):
        process.kill()
        process.wait()


def test_a_cluster_loses_a_worker_and_no_result(cluster: tuple[str, list["subprocess.Popen[str]"]], tmp_path: Path) -> None:
    address, workers = cluster
    folder = tmp_path / "evaluated"
    folder.mkdir()
    tasks = [(number, str(folder)) for number in range(30)]
    found: list[tuple[tuple[int, str], tuple[int, int]]] = []
    for task, result in each(square_in_time, tasks, 1, address):
        found.append((task, result))
        if len({process for _, (_, process) in found}) == 2 and workers[0].poll() is None:
            os.kill(workers[0].pid, signal.SIGKILL)
    assert workers[0].poll() is not None, "the worker that was killed had work"
    assert Counter(task for task, _ in found) == Counter(tasks), "each task has one result"
    assert all(square == number * number for (number, _), (square, _) in found)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_crew_stays_for_more_tasks(workers: int) -> None:
    with crew(workers) as hands:
        first = [hands.begin(square, number) for number in TASKS]
        assert dict(hands.each(square, TASKS)) == {number: number * number for number in TASKS}
        assert [wait() for wait in first] == [number * number for number in TASKS]
        with pytest.raises(InputError, match="^task 3 has no result$"):
            hands.begin(fails, 3)()


def test_a_crew_is_a_cluster(cluster: tuple[str, list["subprocess.Popen[str]"]], tmp_path: Path) -> None:
    tasks = [(number, str(tmp_path)) for number in range(4)]
    with crew(1, cluster[0]) as hands:
        found = [wait() for wait in [hands.begin(square_in_time, task) for task in tasks]]
    assert [square for square, _ in found] == [0, 1, 4, 9]
    assert {process for _, process in found} == {worker.pid for worker in cluster[1]}


def test_a_scheduler_that_does_not_answer_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shiftwise.workers.PATIENCE", 1)
    with pytest.raises(InputError, match="scheduler 'tcp://127.0.0.1:9' does not answer within 1 s: .*; one that runs at"):
        list(each(square, TASKS, 1, "tcp://127.0.0.1:9"))
    with pytest.raises(InputError, match="scheduler 'nonsense://x' does not answer"):
        list(each(square, TASKS, 1, "nonsense://x"))
