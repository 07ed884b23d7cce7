"""``make gallery``: write the gallery into the documentation."""

import argparse
from pathlib import Path

from reports.gallery.page import PICTURES, files
from sim.files import output_folder, write_whole


def main() -> None:
    """Write the page and its pictures; pictures that are none of them any more are removed."""
    parser = argparse.ArgumentParser(prog="python -m reports.gallery", description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=Path("docs"), help="default: docs")
    folder = parser.parse_args().folder
    written = files()
    output_folder(folder / PICTURES)
    for old in (folder / PICTURES).glob("*.svg"):
        if f"{PICTURES}/{old.name}" not in written:
            old.unlink()
    for name, text in written.items():
        write_whole(folder / name, text)
        print(folder / name)


if __name__ == "__main__":
    main()
