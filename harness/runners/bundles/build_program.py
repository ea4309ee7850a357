"""The program that builds a wheel inside the container, passed to its interpreter as text."""

PROGRAM = r"""
import os, pathlib, subprocess, sys, tarfile
out = os.dup(1)
os.dup2(2, 1)
root = pathlib.Path("/tmp/work")
root.mkdir()
with tarfile.open(fileobj=sys.stdin.buffer, mode="r|") as tar:
    tar.extractall(root, filter="tar") if hasattr(tarfile, "tar_filter") else tar.extractall(root)
(root / "home").mkdir()
(root / "wheels").mkdir()
pip = str(next((root / "tools").glob("pip-*.whl"))) + "/pip"
tools = [str(path) for path in (root / "tools").glob("*.whl") if not path.name.startswith("pip-")]
environment = dict(os.environ, HOME=str(root / "home"), PYTHONPATH=str(root / "env"), PIP_CONFIG_FILE="/dev/null")
quiet = ["--disable-pip-version-check", "--no-cache-dir", "--no-index", "--no-deps", "-q"]
if tools:
    command = [sys.executable, pip, "install", *quiet, "--target", str(root / "env"), *tools]
    subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, check=True)
command = [sys.executable, pip, "wheel", *quiet, "--no-build-isolation", "-w", str(root / "wheels"), str(root / "source")]
if subprocess.run(command, env=environment, stdin=subprocess.DEVNULL).returncode:
    sys.exit(1)
wheel = next((root / "wheels").glob("*.whl"))
with os.fdopen(out, "wb") as stream:
    stream.write(wheel.name.encode() + b"\n" + wheel.read_bytes())
"""
