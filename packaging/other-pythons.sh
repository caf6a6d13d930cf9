#!/bin/sh
# other-pythons.sh MAIN: run the unit tests on every Python 3.10 to 3.13 found here, MAIN's own version excepted.
# An interpreter counts when it really runs: a shim of a version manager that only prints a message does not.
set -eu
cd "$(dirname "$0")/.."
main=$("$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])')

find_python() {
    for candidate in "python$1" "${PYENV_ROOT:-$HOME/.pyenv}"/versions/"$1".*/bin/python"$1" \
        /usr/bin/python"$1" /usr/local/bin/python"$1" /opt/python*/bin/python"$1"; do
        if found=$("$candidate" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null) \
            && [ "$found" = "$1" ]; then
            echo "$candidate"
            return
        fi
    done
}

for version in 3.10 3.11 3.12 3.13; do
    if [ "$version" = "$main" ]; then continue; fi
    python=$(find_python "$version")
    if [ -z "$python" ]; then
        echo "Python $version: not found here, unit tests not run on it"
        continue
    fi
    if ! packaging/venv.sh "$python" ".venv-$version"; then
        echo "NOT RUN: unit tests on Python $version ($python cannot make a venv)"
        if [ "${REQUIRE_ALL:-}" = 1 ]; then exit 1; fi
        continue
    fi
    echo "Python $version: unit tests"
    ".venv-$version/bin/python" -m pytest -n 2 --dist loadfile tests/unit
done
