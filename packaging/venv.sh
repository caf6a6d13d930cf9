#!/bin/sh
# venv.sh PYTHON FOLDER: make FOLDER a virtual environment with this checkout and its development tools installed.
# Does nothing when FOLDER is up to date: a stamp holds the hash of pyproject.toml and the interpreter's version.
set -eu
cd "$(dirname "$0")/.."
python=$1 folder=$2

if ! version=$("$python" -c 'import sys; print("%d.%d.%d" % sys.version_info[:3])' 2>/dev/null); then
    echo "syncd needs Python 3.10 or newer, and '$python' does not run. Choose one: make PYTHON=/path/to/python3 ..." >&2
    exit 1
fi
if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 10))'; then
    echo "syncd needs Python 3.10 or newer; '$python' is $version. Choose another: make PYTHON=python3.11 ..." >&2
    exit 1
fi

stamp="$version $("$python" -c 'import hashlib; print(hashlib.sha256(open("pyproject.toml", "rb").read()).hexdigest())') $PWD"
if [ "$(cat "$folder/syncd.stamp" 2>/dev/null)" = "$stamp" ] && "$folder/bin/python" -c '' 2>/dev/null; then
    exit 0
fi

if ! "$python" -c 'import venv, ensurepip' 2>/dev/null; then
    # Debian and Ubuntu keep it in a package of its own, one for each Python
    package=python3-venv
    own=$("$python" -c 'import sys; print("python%d.%d" % sys.version_info[:2])')
    if ! [ "$(readlink -f "$(command -v "$python")")" = "$(readlink -f /usr/bin/python3)" ]; then package=$own-venv; fi
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        echo "installing $package" >&2
        { apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "$package"; } >&2
    else
        echo "'$python' has no venv module. Install it, then run make again:" >&2
        echo "    sudo apt-get install -y $package" >&2
        exit 1
    fi
fi

echo "preparing $folder with Python $version" >&2
rm -rf "$folder"
"$python" -m venv "$folder"
"$folder/bin/python" -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
echo "$stamp" > "$folder/syncd.stamp"
