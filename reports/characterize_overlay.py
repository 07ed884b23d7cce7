"""Rebuild ``costmodel/data/overlay.csv``: ``python -m reports.characterize_overlay``, components of all named overlays."""

from dataclasses import replace

from costmodel.overlay.components import key_of, parts_of
from costmodel.overlay.measured import OverlayRow, measure_part, write_rows
from sim.overlay.design import OverlayDesign, load_overlay
from sim.overlay.presets import PRESETS


def main() -> None:
    """Measure what the presets have, and the same with multipliers of LUTs."""
    rows: dict[tuple[str, str], OverlayRow] = {}
    for design in designs():
        for component in parts_of(design):
            key = component, key_of(component, design)
            if key not in rows:
                rows[key] = row = measure_part(component, design)
                print(f"{row.component} {row.key}: {row.lut_sites:g} LUT sites, {row.dsps:g} DSP slices", flush=True)
                write_rows(rows.values())


def designs() -> list[OverlayDesign]:
    """Whose components are measured: the named ones, and both kinds with chains of 8, also with multipliers of LUTs."""
    named = [load_overlay(name) for name in PRESETS]
    kinds = (load_overlay("flightllm-u280"), load_overlay("dense-u280"))
    return [*named, *(replace(design, chain=8, element=element) for design in kinds for element in ("dsp", "shift_add"))]


if __name__ == "__main__":
    main()
