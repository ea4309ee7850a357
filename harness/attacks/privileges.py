"""Attacks that ask the kernel for rights, and the guest for its own; promise 1."""

from __future__ import annotations

from harness.attacks.model import Attack
from harness.outcomes import Status


def _asks(name: str, tries: str) -> Attack:
    """An attack that asks, is refused and returns."""
    return Attack(name, f"privileges:{name}", 1, tries, (Status.OK,))


ATTACKS: tuple[Attack, ...] = (
    _asks("mount", "mounts a file system"),
    _asks("remount_root", "mounts the root anew, to be written"),
    _asks("unshare_user", "makes a user namespace, in which it would be root"),
    _asks("unshare_mounts", "makes a mount namespace"),
    _asks("unshare_processes", "makes a process namespace, in which nobody could see what it starts"),
    _asks("chroot", "changes its root"),
    _asks("pivot_root", "exchanges its root"),
    _asks("make_device", "makes a device node"),
    _asks("set_hostname", "sets the host's name"),
    _asks("set_clock", "sets the system's clock"),
    _asks("load_module", "loads a kernel module"),
    _asks("load_kernel", "loads another kernel"),
    _asks("reboot", "reboots the machine"),
    _asks("kernel_log", "reads the kernel's log"),
    _asks("user_keyring", "looks for the keyring that all containers of one user would share"),
    _asks("add_key", "adds a key to the session's keyring"),
    _asks("bpf_map", "makes a BPF map"),
    _asks("perf_events", "counts performance events"),
    _asks("fault_handler", "handles page faults of its own, a tool of kernel exploits"),
    _asks("kernel_ring", "makes an io_uring, a tool of kernel exploits"),
    _asks("open_by_handle", "opens a file of the host by its handle"),
    _asks("become_root", "becomes root or a member of its group"),
    _asks("new_privileges", "looks for capabilities, and for a way to gain them from a program"),
    _asks("trace_guest", "traces the guest"),
    _asks("seize_guest", "traces the guest without stopping it"),
    _asks("join_namespace", "joins the guest's namespaces"),
    _asks("read_guest_memory", "reads the guest's memory"),
    _asks("write_guest_memory", "writes into the guest's memory"),
    _asks("open_guest_in_proc", "opens the guest's memory, environment and descriptors in /proc"),
    _asks("write_guest_in_proc", "writes to the guest's settings in /proc"),
    _asks("take_guest_descriptors", "takes the guest's descriptors, the stream to the host among them"),
    _asks("other_descriptors", "looks for descriptors that it was not given"),
)
