#!/bin/sh
# Makes a virtual environment with the packages of a constraints file: make_venv.sh FOLDER CONSTRAINTS REQUIREMENT...
# PYTHON names the interpreter. Without it the supported ones are looked for under their usual names, newest first.
# With WITHOUT_CUDA Torch is left out where pip finds only a build with CUDA.
set -eu
folder=$1 constraints=$2
shift 2

find_python() {
	rejected=
	for python in ${PYTHON:-python3.13 python3.12 python3.11 python3 python}; do
		version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null) || continue
		case $version in
		3.11 | 3.12 | 3.13) ;;
		*)
			rejected="$rejected; $python is $version"
			continue
			;;
		esac
		"$python" -c 'import ensurepip, venv' 2>/dev/null && return
		rejected="$rejected; $python ($version) has no venv"
	done
	echo "No Python 3.11, 3.12 or 3.13 with venv found${PYTHON:+ as $PYTHON}${rejected:- on PATH}." >&2
	echo "Install one (Debian: with python3-venv), or name it: make PYTHON=/path/to/python3.13" >&2
	exit 1
}

if ! "$folder/bin/python" -m pip --version >/dev/null 2>&1; then
	find_python
	echo "Creating $folder with $(command -v "$python"), Python $version"
	"$python" -m venv --clear "$folder"
fi
pip="$folder/bin/python -m pip"
export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1

torch=$(sed -n 's/^torch==//p' "$constraints")
cuda=
if [ "$(uname -s)" = Linux ] && ! $pip show --quiet torch 2>/dev/null; then
	builds=$($pip index versions torch 2>/dev/null || true)
	case $builds in
	*"$torch+cpu"* | '') ;;
	*) cuda=yes ;;
	esac
fi
if [ "$cuda" ] && [ "${WITHOUT_CUDA:-}" ]; then
	echo "Leaving out Torch: pip finds no CPU build of $torch for this Python."
	mkdir -p build
	grep -v '^torch==' "$constraints" >build/constraints-without-torch.txt
	$pip install --quiet --no-deps --use-pep517 -r build/constraints-without-torch.txt
	exec $pip install --quiet --no-deps --use-pep517 "$@"
fi
[ -z "$cuda" ] || echo "Torch will bring more than 1 GB of CUDA libraries: pip finds no CPU build of $torch for this" \
	"Python. PIP_EXTRA_INDEX_URL or PIP_FIND_LINKS can name a place that has one: README.md, Limits" >&2
echo "Installing the packages of $constraints into $folder"
# PIP_CONSTRAINT, unlike -c, also holds where pip builds a package from source
PIP_CONSTRAINT=$constraints $pip install --quiet --use-pep517 "$@"
