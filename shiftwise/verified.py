"""What ``verify`` found, and the files that it writes."""

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree

from hdl.verify.verdict import ArrayVerdict, PEVerdict
from sim.files import check_alone, output_folder, write_whole

VERDICT, JUNIT, SUMMARY, WAVE = "verification.json", "junit.xml", "summary.md", "wave.vcd"
BUILD = "build"
"""Folder of what Verilator compiled."""


def check_own(folder: str | Path) -> None:
    """Raise ``InputError`` for a folder that holds anything but what an earlier ``verify`` wrote."""
    check_alone(folder, {VERDICT, JUNIT, SUMMARY, WAVE, BUILD}, "a verification")


@dataclass
class Verification:
    """What was found equal in every bit and every cycle, by name, how long each took [s], and what was not, if anything."""

    design: str
    found: dict[str, PEVerdict | ArrayVerdict] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    failure: tuple[str, str] | None = None

    @property
    def pe(self) -> PEVerdict:
        """The PE's pairs and chains."""
        return next(verdict for verdict in self.found.values() if isinstance(verdict, PEVerdict))

    @property
    def products(self) -> Mapping[str, ArrayVerdict]:
        """Products through the array."""
        return {name: verdict for name, verdict in self.found.items() if isinstance(verdict, ArrayVerdict)}

    def write(self, folder: str | Path) -> Path:
        """Write ``junit.xml``, ``summary.md`` and, if all is equal, ``verification.json``, whose path is returned."""
        path = output_folder(folder) / VERDICT
        write_whole(path.with_name(JUNIT), self._junit())
        write_whole(path.with_name(SUMMARY), self._summary())
        if not self.failure:
            products = {name: dataclasses.asdict(verdict) for name, verdict in self.products.items()}
            write_whole(path, json.dumps({"pe": dataclasses.asdict(self.pe), "products": products}, indent=2) + "\n")
        return path

    def _junit(self) -> str:
        """A test case for each check, in the form that continuous integration reads."""
        cases = [*self.found, *([self.failure[0]] if self.failure else [])]
        suite = ElementTree.Element("testsuite", name=f"shiftwise verify {self.design}")
        suite.attrib |= {"tests": str(len(cases)), "failures": str(int(self.failure is not None)), "errors": "0"}
        for name in cases:
            case = ElementTree.SubElement(suite, "testcase", classname=self.design, name=name, time=f"{self.seconds[name]:.3f}")
            if self.failure and name == self.failure[0]:
                ElementTree.SubElement(case, "failure", message=self.failure[1])
        ElementTree.indent(suite)
        return ElementTree.tostring(suite, encoding="unicode") + "\n"

    def _summary(self) -> str:
        lines = [f"# Verification of {self.design}", "", "| compared | sums or results | groups | cycles | seconds |"]
        lines += ["|---|---:|---:|---:|---:|"]
        for name, verdict in self.found.items():
            count = verdict.pairs if isinstance(verdict, PEVerdict) else verdict.results
            lines.append(f"| {name} | {count:,} | {verdict.groups:,} | {verdict.cycles:,} | {self.seconds[name]:.1f} |")
        verdict_line = "Every bit is that of the model, in the model's cycle."
        if self.failure:
            verdict_line = f"**{self.failure[0]} differs:** {self.failure[1]}"
        return "\n".join([*lines, "", verdict_line, ""])
