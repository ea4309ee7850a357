"""Attacks that look for other data, sockets, the network and the host's files."""

from __future__ import annotations

import errno
import mmap
import os
import socket
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

from harness_attacks._inside import KEPT, keep_files
from harness_attacks._kernel import REFUSALS
from harness_attacks._marks import attack
from harness_attacks._tools import reached
from safetensors import safe_open

hostile = attack("ok", promise=1)

UNSUPPORTED = {errno.EAFNOSUPPORT, errno.EPROTONOSUPPORT, errno.ESOCKTNOSUPPORT}
SPLITS = ("forget", "retain", "validation")
WRITABLE = ("/tmp", "/dev/shm", "/dev/mqueue", "/dev/pts")
ENGINE_FILES = ("/etc/resolv.conf", "/etc/hostname", "/etc/hosts")
DATA_SUFFIXES = (".safetensors", ".npz", ".npy", ".pt", ".pth", ".ckpt", ".pkl", ".pickle", ".h5", ".parquet", ".idx")
MAX_FILES = 300_000
SECRET_WORDS = ("SECRET", "TOKEN", "PASSWORD", "CREDENTIAL", "API_KEY", "DOCKER", "AWS_", "SSH_", "PROXY", "HARNESS")


def _files(root: str = "/", skip: tuple[str, ...] = ("/proc", "/sys")) -> Iterator[tuple[str, os.stat_result]]:
    """Yield the visible files below a folder, of at most MAX_FILES folders."""
    for count, (folder, names) in enumerate(_folders(root, skip)):
        if count > MAX_FILES:
            return
        for name in names:
            path = os.path.join(folder, name)
            try:
                yield path, os.lstat(path)
            except OSError:
                continue


def _folders(root: str, skip: tuple[str, ...]) -> Iterator[tuple[str, list[str]]]:
    for folder, folders, names in os.walk(root):
        if folder in skip:
            folders.clear()
        else:
            yield folder, names + folders


@hostile(promise=2)
def other_data_files():
    """Look for data and models in every folder of the container."""
    for path, found in _files():
        plain = stat.S_ISREG(found.st_mode) and found.st_size > 1 << 12
        if plain and path.lower().endswith(DATA_SUFFIXES) and not path.startswith("/usr/lib"):
            reached(f"{path}, {found.st_size} bytes")


_import_other_splits = keep_files


@hostile(promise=2)
def other_splits():
    """Search the data file for further splits, and for bytes that belong to no split."""
    path = Path(f"/proc/self/fd/{KEPT[0]}")
    with safe_open(path, framework="pt") as file:
        names = set(file.keys())
        n_bytes = sum(file.get_tensor(name).nbytes for name in names)
        said = file.metadata()
    header = 8 + int.from_bytes(os.pread(KEPT[0], 8, 0), "little")
    if names != {f"{split}.{part}" for split in SPLITS for part in ("inputs", "labels")}:
        reached(f"{path} contains {sorted(names)}")
    if said or path.stat().st_size != header + n_bytes:
        reached(f"{path} has {path.stat().st_size - header - n_bytes} extra bytes, and the metadata {said}")


@hostile(promise=2)
def host_mounts():
    """Look for folders and files of the host in the list of mounts."""
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        before, _, after = line.partition(" - ")
        place, kind = before.split()[4], after.split()[0]
        real = kind in ("ext4", "xfs", "btrfs", "zfs", "nfs", "9p", "virtiofs", "fuse")
        if real and place not in ENGINE_FILES and place != "/":
            reached(f"{place} of type {kind}")


_import_write_the_data_file = _import_write_through_own_memory = keep_files


@hostile(promise=2)
def write_the_data_file():
    """Write to the data file, through descriptors of it and a shared mapping, and change its length."""
    fd = KEPT[0]
    for name, attempt in {
        "write to": lambda: os.pwrite(fd, bytes(64), 64),
        "open and write to": lambda: os.pwrite(os.open(f"/proc/self/fd/{fd}", os.O_RDWR), bytes(64), 64),
        "map": lambda: mmap.mmap(fd, 64),
        "truncate": lambda: os.ftruncate(fd, 0),
        "lengthen": lambda: os.ftruncate(fd, 1 << 30),
    }.items():
        try:
            attempt()
        except OSError:
            continue
        reached(f"{name} the data file")


@hostile(promise=2)
def write_through_own_memory(retain):
    """Write to the pages of the mapped data file through /proc/self/mem, which ignores page protection."""
    tensor = retain.images
    with Path("/proc/self/mem").open("r+b", buffering=0) as memory:
        memory.seek(tensor.data_ptr())
        memory.write(bytes(64))
    with safe_open(f"/proc/self/fd/{KEPT[0]}", framework="pt") as file:
        if not file.get_tensor("retain.inputs").flatten()[:64].any():
            reached("the data file has changed")


def writable_places():
    """Look for a writable file or folder outside the scratch folders."""
    for path, found in _files():
        plain = stat.S_ISREG(found.st_mode) or stat.S_ISDIR(found.st_mode)
        if plain and not path.startswith(WRITABLE) and os.access(path, os.W_OK):
            reached(path)


def kernel_knobs():
    """Look for writable kernel settings and cgroup files, and for readable kernel memory."""
    for root in ("/proc/sys", "/sys"):
        for path, found in _files(root, skip=()):
            if stat.S_ISREG(found.st_mode) and os.access(path, os.W_OK):
                reached(path)
    for path in ("/proc/sysrq-trigger", "/proc/kcore", "/proc/kmem", "/dev/mem", "/dev/kmsg"):
        if os.access(path, os.W_OK) or (os.access(path, os.R_OK) and path != "/proc/sysrq-trigger"):
            reached(path)


def engine_socket():
    """Look for a socket in every folder and try to connect to it."""
    for path, found in _files():
        if stat.S_ISSOCK(found.st_mode):
            with socket.socket(socket.AF_UNIX) as client:
                try:
                    client.connect(path)
                except OSError:
                    continue
                reached(f"connected to {path}")


def listening_sockets():
    """Look for sockets of other processes on this network and in the abstract namespace."""
    for table in ("tcp", "tcp6", "udp", "udp6", "unix"):
        path = Path("/proc/net", table)
        lines = path.read_text().splitlines()[1:] if path.exists() else []
        # The guest's own pairs of Unix sockets have neither a name nor a listener, so that nobody can connect to them.
        lines = [line for line in lines if table != "unix" or len(line.split()) > 7 or line.split()[3] != "00000000"]
        if lines:
            reached(f"{path}: {lines[:3]}")


def devices():
    """Look for a block device, or a character device other than the harmless ones."""
    harmless = {"null", "zero", "full", "random", "urandom", "tty", "ptmx", "console"}
    for path, found in _files("/dev"):
        kind = stat.S_IFMT(found.st_mode)
        spoken = path.startswith("/dev/pts/") or path.rpartition("/")[2] in harmless
        if kind == stat.S_IFBLK or (kind == stat.S_IFCHR and not spoken and not path.startswith("/dev/nvidia")):
            reached(path)


def network_interfaces():
    """Look for a network interface other than loopback, and for routes."""
    names = [name for _, name in socket.if_nameindex()]
    routes = Path("/proc/net/route").read_text().splitlines()[1:]
    if names != ["lo"] or routes:
        reached(f"interfaces {names}, routes {routes}")


def resolve_a_name():
    """Resolve a reserved name; even the answer that it does not exist would have come from outside."""
    try:
        reached(f"resolved {socket.getaddrinfo('harness-attack.invalid', 80)}")
    except socket.gaierror as error:
        if error.errno == socket.EAI_NONAME:
            reached(f"a server answered: {error}")


def _opens(family: int, kind: int, protocol: int = 0) -> Callable[[], None]:
    """Return a hook that opens a socket, which the kernel must refuse."""

    def hook() -> None:
        try:
            socket.socket(family, kind, protocol).close()
        except OSError as error:
            if error.errno not in REFUSALS | UNSUPPORTED:
                raise
        else:
            reached(f"socket({family}, {kind}, {protocol})")

    return hook


raw_socket = hostile(_opens(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP), "Open a raw socket.")
packet_socket = hostile(
    _opens(socket.AF_PACKET, socket.SOCK_RAW, 0x300), "Open a packet socket, which receives all packets."
)
machine_socket = hostile(
    _opens(socket.AF_VSOCK, socket.SOCK_STREAM),
    "Open a socket to the hypervisor, which no network namespace isolates.",
)


def audit_socket():
    """Send a request to the kernel's audit system."""
    try:
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 9) as client:  # Podman's filter refuses it
            client.sendto(bytes([16, 0, 0, 0, 0xE8, 3, 5, 0, 1, 0, 0, 0, 0, 0, 0, 0]), (0, 0))
            answer = client.recv(1 << 12, socket.MSG_DONTWAIT)
    except OSError:
        return
    if int.from_bytes(answer[16:20], "little", signed=True) == 0:
        reached("the audit system answered")


@hostile(promise=2)
def host_secrets():
    """Read system files that contain secrets."""
    for name in (
        "/etc/shadow",
        "/etc/gshadow",
        "/root",
        "/run/secrets",
        "/var/run/secrets",
        "/proc/keys",
        "/proc/kallsyms",
    ):
        path = Path(name)
        try:
            found = os.listdir(path) if path.is_dir() else path.read_bytes()
        except OSError:
            continue
        if found and not (name == "/proc/kallsyms" and set(found[:16]) == {ord("0")}) and name != "/proc/keys":
            reached(f"{name}: {len(found)}")


@hostile(promise=2)
def environment_secrets():
    """Look for secrets in the environment."""
    for name in os.environ:
        if any(word in name.upper() for word in SECRET_WORDS):
            reached(name)
