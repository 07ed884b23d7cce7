"""Rows of points: what is known of them, else what workers find; written as they come, none of them held."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from shiftwise.exploration.figures import Asked, Batch, Fields, Figures, figures_of_batch
from shiftwise.exploration.front import Row
from shiftwise.exploration.noise import Arithmetic, arithmetic
from shiftwise.exploration.space import WEIGHT_BITS, Place, Space
from shiftwise.results import Results
from shiftwise.workers import Crew


@dataclass
class Evaluation:
    """Of points of a space; ``noises`` [dB] by arithmetic; ``why`` the last one without figures has none."""

    asked: Asked
    space: Space
    noises: Mapping[Arithmetic, float | None]
    results: Results
    crew: Crew
    why: str = ""

    def begin(self, places: Sequence[Place]) -> Callable[[], list[Row | None]]:
        """Begin with places of the space; what is returned waits for their rows, and keeps what was found."""
        fields = [self.space.fields(place) for place in places]
        keys = [self.asked.key_of(one) for one in fields]
        known = self.results.known(keys)
        missing = {key: one for key, one in zip(keys, fields, strict=True) if key not in known}
        wait = self.crew.begin(figures_of_batch, Batch(self.asked, tuple(missing.values()))) if missing else list

        def rows() -> list[Row | None]:
            new = {key: [dict(missing[key]), value] for key, value in zip(missing, wait(), strict=True)}
            if new:
                self.results.keep(new)
            return [self._row(one, (known | new)[key][1]) for key, one in zip(keys, fields, strict=True)]

        return rows

    def all_rows(self) -> Iterator[Row]:
        """Every point of the space that was ever found, one after the other."""
        for key, (fields, value) in self.results.beginning(f"{self.asked.key}-"):
            # Points of another base may have the same fields.
            ours = self.space.holds(fields) and key == self.asked.key_of(fields)
            if ours and (row := self._row(fields, value)) is not None:
                yield row

    def _row(self, fields: Fields, value: Figures | str) -> Row | None:
        noise = self._noise(fields) if not isinstance(value, str) else None
        if isinstance(value, str) or noise is None:
            self.why = value if isinstance(value, str) else "its results do not fit its accumulator"
            return None
        return {**fields, **value, "noise": noise}

    def _noise(self, fields: Fields) -> float | None:
        """That of the design's arithmetic, or of one width for all that is expected to lose as much as its layers' widths."""
        if WEIGHT_BITS not in fields:
            return self.noises.get(arithmetic(fields, self.asked.base))
        found = self.asked.found_widths(fields)
        of_formats = {name: arithmetic({**fields, "weight_format": name}, self.asked.base) for name in found.uniform}
        return found.noise(float(fields[WEIGHT_BITS]), {name: self.noises.get(one) for name, one in of_formats.items()})
