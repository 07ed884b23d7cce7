"""Why a library refuses a file, in words that fit one sentence."""

import re

CLASS_OF_ERROR = re.compile(r"\b\w+Error: |Class validation error for validator '\w+': ")
STACK = " Exception raised from "
"""What torch puts between its own words and where in its source they come from."""

LONGEST_REASON = 300


def reason(error: Exception) -> str:
    """What a library's exception says, on one line: without names of Python's classes or places in a library's source."""
    words = CLASS_OF_ERROR.sub("", " ".join(str(error).split())).partition(STACK)[0]
    if isinstance(error, KeyError):
        words = f"{words} is not known"
    return words[:LONGEST_REASON] or "no reason is given"
