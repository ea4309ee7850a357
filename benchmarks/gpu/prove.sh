#!/usr/bin/env bash
# The whole proof on a machine without network: installs the harness beside the machine's own torch from this repository and
# from wheels that were carried along, then runs the proof.
#
#   bash benchmarks/gpu/prove.sh WHEELS DATA OUTPUT [options of python -m benchmarks.gpu]
#
# WHEELS: folder of wheels of requirements.txt that the machine lacks, made where there is a network by
#   python -m pip download --no-deps --only-binary=:all: --python-version 3.12 -d WHEELS -r benchmarks/gpu/requirements.txt
# DATA: folder of Fashion-MNIST's four files. OUTPUT: folder for gpu.json, gpu.md and the runs.
set -euo pipefail
cd "$(dirname "$0")/../.."
[ $# -ge 3 ] || { sed -n '5,10s/^# //p' "$0"; exit 2; }
wheels=$1 data=$2 output=$3
shift 3
site=$(mktemp -d)
trap 'rm -rf "$site"' EXIT
shopt -s nullglob
carried=("$wheels"/*.whl)
if [ ${#carried[@]} -gt 0 ]; then
  python3 -m pip install -q --no-index --no-deps --no-compile --target "$site" "${carried[@]}"
fi
python3 -m pip install -q --no-index --no-deps --no-compile --no-build-isolation --target "$site" .
export PYTHONPATH="$site:$PWD${PYTHONPATH:+:$PYTHONPATH}" HARNESS_NO_WAIT=1
mkdir -p "$output/docs"
HARNESS_CACHE_DIR="${HARNESS_CACHE_DIR:-$output/cache}" python3 -m benchmarks.gpu --data "$data" --output "$output" --docs "$output/docs" --write "$@"
