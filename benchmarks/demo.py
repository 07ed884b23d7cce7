"""Time and memory of what ``make demo`` runs, from outside."""

import os
import subprocess
import sys
import tempfile
import time

from benchmarks.figure import Figure


def demo_figures() -> list[Figure]:
    """Both phases of the demo as whole processes; bars: 60 s on two cores, 4 GB."""
    seconds, memory = 0.0, 0
    for phase in ("prefill", "decode"):
        with tempfile.TemporaryDirectory() as folder:
            command = [sys.executable, "-m", "shiftwise", "simulate", "--phase", phase, "--sequence", "512", "--out", folder]
            began = time.perf_counter()
            process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # noqa: S603
            _, status, usage = os.wait4(process.pid, 0)
            if status != 0:
                raise RuntimeError(f"{' '.join(command)} ended with status {os.waitstatus_to_exitcode(status)}")
            seconds += time.perf_counter() - began
            memory = max(memory, usage.ru_maxrss)
    return [
        Figure("make demo, both phases", seconds, "s", 60, "lower", ""),
        Figure("make demo, peak memory", memory * 1024 / 1e9, "GB", 4, "lower", ""),
    ]
