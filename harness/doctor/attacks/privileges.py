"""Attacks that request privileges from the kernel or access to the guest: promise 1."""

from __future__ import annotations

from harness.core.outcomes import Status
from harness.doctor.attacks.attack import Attack


def _asks(name: str, tries: str) -> Attack:
    """Return an attack that requests something, is refused and returns."""
    return Attack(name, f"privileges:{name}", 1, tries, (Status.OK,))


ATTACKS: tuple[Attack, ...] = (
    _asks("mount", "mounts a file system"),
    _asks("remount_root", "remounts the root file system writable"),
    _asks("unshare_user", "creates a user namespace, in which it would be root"),
    _asks("unshare_mounts", "creates a mount namespace"),
    _asks("unshare_processes", "creates a PID namespace, which would hide its processes"),
    _asks("chroot", "changes its root directory"),
    _asks("pivot_root", "swaps its root file system"),
    _asks("make_device", "creates a device node"),
    _asks("set_hostname", "sets the host name"),
    _asks("set_clock", "sets the system clock"),
    _asks("load_module", "loads a kernel module"),
    _asks("load_kernel", "loads another kernel (kexec)"),
    _asks("reboot", "reboots the machine"),
    _asks("kernel_log", "reads the kernel log"),
    _asks("user_keyring", "opens the keyring that all containers of one user would share"),
    _asks("add_key", "adds a key to the session keyring"),
    _asks("bpf_map", "creates a BPF map"),
    _asks("perf_events", "counts performance events"),
    _asks("fault_handler", "handles its page faults (userfaultfd), a tool of kernel exploits"),
    _asks("kernel_ring", "creates an io_uring, a tool of kernel exploits"),
    _asks("open_by_handle", "opens a file of the host by its handle"),
    _asks("become_root", "becomes root or a member of its group"),
    _asks("new_privileges", "looks for capabilities, and for a way to gain them from a program"),
    _asks("trace_guest", "attaches to the guest with ptrace"),
    _asks("seize_guest", "attaches to the guest with ptrace without stopping it"),
    _asks("join_namespace", "joins the guest's namespaces"),
    _asks("read_guest_memory", "reads the guest's memory"),
    _asks("write_guest_memory", "writes to the guest's memory"),
    _asks("open_guest_in_proc", "opens the guest's memory, environment and descriptors in /proc"),
    _asks("write_guest_in_proc", "writes to the guest's settings in /proc"),
    _asks("take_guest_descriptors", "takes the guest's descriptors, including the stream to the host"),
    _asks("other_descriptors", "looks for descriptors that it should not have inherited"),
)
