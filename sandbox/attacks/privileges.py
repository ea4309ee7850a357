"""Attacks that request privileges from the kernel; their arguments would do no damage if a request were granted."""

from __future__ import annotations

import ctypes
import os
import signal
from pathlib import Path

from harness_attacks._kernel import call, refused
from harness_attacks._marks import attack
from harness_attacks._tools import reached

hostile = attack("ok", promise=1)

CLONE_NEWUSER, CLONE_NEWNS, CLONE_NEWPID = 0x10000000, 0x00020000, 0x20000000
PTRACE_ATTACH, PTRACE_SEIZE = 16, 0x4206
AT_FDCWD = -100
S_IFCHR = 0o020000
GUEST = 1
ROOM = ctypes.create_string_buffer(4096)

mount = hostile(refused("mount", b"none", b"/tmp", b"tmpfs", 0, None), "Mount a file system.")
remount_root = hostile(refused("mount", None, b"/", None, 32, None), "Remount the root file system writable.")
unshare_user = hostile(refused("unshare", CLONE_NEWUSER), "Create a user namespace, in which it would be root.")
unshare_mounts = hostile(refused("unshare", CLONE_NEWNS), "Create a mount namespace.")
unshare_processes = hostile(refused("unshare", CLONE_NEWPID), "Create a PID namespace, which would hide its processes.")
chroot = hostile(refused("chroot", b"/tmp"), "Change its root directory.")
pivot_root = hostile(refused("pivot_root", b"/tmp", b"/tmp"), "Swap its root file system.")
make_device = hostile(refused("mknod", b"/tmp/device", S_IFCHR | 0o666, os.makedev(1, 5)), "Create a device node.")
set_hostname = hostile(refused("sethostname", b"other", 5), "Set the host name.")
set_clock = hostile(refused("adjtimex", ctypes.create_string_buffer(b"\x00\x40", 256)), "Set the system clock.")
load_module = hostile(refused("init_module", ROOM, 0, b""), "Load a kernel module.")
load_kernel = hostile(refused("kexec_load", 0, 0, None, 0xFFFF), "Load another kernel (kexec).")
reboot = hostile(refused("reboot", 0, 0, 0, None), "Reboot the machine.")
kernel_log = hostile(refused("syslog", 3, ROOM, 4096), "Read the kernel log.")
user_keyring = hostile(refused("keyctl", 0, -4, 1), "Open the keyring that all containers of one user would share.")
add_key = hostile(refused("add_key", b"user", b"harness-attack", b"left", 4, -3), "Add a key to the session keyring.")
bpf_map = hostile(
    refused("bpf", 0, ctypes.create_string_buffer(b"\x02\0\0\0\x04\0\0\0\x04\0\0\0\x01\0\0\0", 128), 128),
    "Create a BPF map.",
)
perf_events = hostile(
    refused("perf_event_open", ctypes.create_string_buffer(b"\x01\0\0\0\x80\0\0\0", 128), 0, -1, -1, 0),
    "Count performance events.",
)
fault_handler = hostile(
    refused("userfaultfd", 1 | os.O_CLOEXEC), "Handle its page faults (userfaultfd), a tool of kernel exploits."
)
kernel_ring = hostile(
    refused("io_uring_setup", 4, ctypes.create_string_buffer(120)), "Create an io_uring, a tool of kernel exploits."
)
open_by_handle = hostile(
    refused("open_by_handle_at", AT_FDCWD, ctypes.create_string_buffer(b"\x08\0\0\0\x01\0\0\0\x02", 16), 0),
    "Open a file of the host by its handle.",
)
trace_guest = hostile(refused("ptrace", PTRACE_ATTACH, GUEST, None, None), "Attach to the guest with ptrace.")
seize_guest = hostile(
    refused("ptrace", PTRACE_SEIZE, GUEST, None, None), "Attach to the guest with ptrace without stopping it."
)


def become_root():
    """Become root, or a member of root's group."""
    for attempt in (
        lambda: os.setuid(0),
        lambda: os.setgid(0),
        lambda: os.setgroups([0]),
        lambda: os.setresuid(0, 0, 0),
    ):
        try:
            attempt()
        except OSError:
            continue
        reached(f"uid {os.getresuid()}, gid {os.getresgid()}, groups {os.getgroups()}")


def new_privileges():
    """Look for capabilities, and for a way to gain them by executing a program."""
    status = dict(line.split(":\t") for line in Path("/proc/self/status").read_text().splitlines() if ":\t" in line)
    if status["NoNewPrivs"] != "1" or any(int(status[name], 16) for name in ("CapPrm", "CapEff", "CapBnd", "CapAmb")):
        reached(f"NoNewPrivs {status['NoNewPrivs']}, CapBnd {status['CapBnd']}")


def join_namespace():
    """Join the guest's namespaces."""
    for kind in ("user", "mnt", "net", "pid"):
        try:
            fd = os.open(f"/proc/{GUEST}/ns/{kind}", os.O_RDONLY)
        except OSError:
            continue
        if call("setns", fd, 0)[1] == 0:
            reached(f"joined {kind}")
        os.close(fd)


class _Vector(ctypes.Structure):
    _fields_ = (("base", ctypes.c_void_p), ("length", ctypes.c_size_t))


def _guest_memory(name: str) -> None:
    """Copy memory from or to the guest with a system call."""
    value = ctypes.create_string_buffer(64)
    address = id(signal)  # mapped at the same address in the guest, since this process was forked from it
    ours, theirs = _Vector(ctypes.addressof(value), 64), _Vector(address, 64)
    result, _ = call(name, GUEST, ctypes.byref(ours), 1, ctypes.byref(theirs), 1, 0)
    if result >= 0:
        reached(f"{name}() moved {result} bytes")


def read_guest_memory():
    """Read the guest's memory."""
    _guest_memory("process_vm_readv")


def write_guest_memory():
    """Write to the guest's memory."""
    _guest_memory("process_vm_writev")


def open_guest_in_proc():
    """Open the guest's files in /proc: memory, environment, descriptors, root, maps."""
    for name in ("mem", "environ", "maps", "smaps", "auxv", "pagemap", "syscall", "stack", "io", "personality"):
        try:
            fd = os.open(f"/proc/{GUEST}/{name}", os.O_RDONLY)
            found = os.read(fd, 16)
            os.close(fd)
        except OSError:
            continue
        if found:
            reached(f"/proc/{GUEST}/{name}")
    for name in ("fd", "fdinfo", "map_files", "root", "cwd", "task/1/fd"):
        try:
            reached(f"/proc/{GUEST}/{name}: {os.listdir(f'/proc/{GUEST}/{name}')}")
        except OSError:
            continue


def write_guest_in_proc():
    """Write to the guest's settings in /proc."""
    values = {"mem": b"", "oom_score_adj": b"900", "comm": b"left", "clear_refs": b"1", "coredump_filter": b"0"}
    values |= {
        "timerslack_ns": b"90000",
        "autogroup": b"5",
        "sched": b"0",
        "uid_map": b"0 10001 1",
        "gid_map": b"0 10001 1",
    }
    for name, value in {**values, "attr/current": b"unconfined", "attr/exec": b"unconfined"}.items():
        try:
            fd = os.open(f"/proc/{GUEST}/{name}", os.O_WRONLY)
            os.write(fd, value)
        except OSError:
            continue
        reached(f"/proc/{GUEST}/{name} is writable")


def take_guest_descriptors():
    """Take the guest's descriptors, including the stream to the host."""
    process_fd, number = call("pidfd_open", GUEST, 0)
    if number == 0:
        for fd in (*range(20), *range(95, 120)):
            if call("pidfd_getfd", process_fd, fd, 0)[0] >= 0:
                reached(f"descriptor {fd} of the guest")


def other_descriptors():
    """Look for descriptors that this process should not have inherited."""
    from harness_attacks._inside import ends

    pipes = ends()
    own = {0, 1, 2, pipes.go, pipes.report, pipes.weights}
    for name in os.listdir("/proc/self/fd"):
        try:
            place = os.readlink(f"/proc/self/fd/{name}")
        except OSError:
            continue  # the descriptor of the listing itself
        if int(name) not in own and place != "/dev/urandom":
            reached(f"descriptor {name}: {place}")
