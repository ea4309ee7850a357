"""What a plugin prints is kept within bounds: its beginning, its end, and the number of bytes between."""

from __future__ import annotations

from harness.core.outcomes import Status
from harness_guest.logs import LogKeeper
from tests.unit.guest.lab import HEAD_BYTES, TAIL_BYTES, Lab


def test_little_output_is_kept_whole(lab: Lab) -> None:
    outcome, _ = lab.body("print('out')\nprint('err', file=sys.stderr)\nos.system('echo shell')\nos.write(2, b'raw')")

    assert outcome.log.head == "out\nerr\nshell\nraw"
    assert (outcome.log.tail, outcome.log.dropped_bytes) == ("", 0)


def test_much_output_keeps_head_and_tail_and_counts_the_rest(lab: Lab) -> None:
    outcome, _ = lab.body("for i in range(100_000):\n    print(f'{i:09d}')")

    assert outcome.status is Status.OK
    assert outcome.log.head.startswith("000000000\n000000001\n")
    assert outcome.log.tail.endswith("000099998\n000099999\n")
    assert (len(outcome.log.head), len(outcome.log.tail)) == (HEAD_BYTES, TAIL_BYTES)
    assert outcome.log.dropped_bytes == 1_000_000 - HEAD_BYTES - TAIL_BYTES


def test_a_little_over_the_head_is_one_text(lab: Lab) -> None:
    outcome, _ = lab.body(f"print('x' * {HEAD_BYTES + 10})")

    assert outcome.log.head == "x" * (HEAD_BYTES + 10) + "\n"
    assert (outcome.log.tail, outcome.log.dropped_bytes) == ("", 0)


def test_output_before_a_crash_is_kept(lab: Lab) -> None:
    outcome, _ = lab.body("print('before')\nprint('unfinished', end='')\nos.kill(os.getpid(), 9)")

    assert outcome.log.head == "before\n"


def test_escape_sequences_become_visible(lab: Lab) -> None:
    outcome, _ = lab.body("print('\\x1b[2J\\u202egnp\\udc80\\x00')\nos.write(1, b'\\xff')")

    assert outcome.log.head == "\\x1b[2J\\u202egnp\\udc80\\x00\n\\xff"


def test_closing_the_streams_is_no_failure(lab: Lab) -> None:
    outcome, _ = lab.body("sys.stdout.close()\nsys.stderr = None")

    assert outcome.status is Status.OK


def test_the_keeper_counts_what_falls_between_head_and_tail() -> None:
    keeper = LogKeeper(head_bytes=3, tail_bytes=4)

    heads = [keeper.take(chunk) for chunk in (b"ab", b"cdef", b"ghij")]

    assert heads == [b"ab", b"c", b""]
    assert list(keeper.tail(3)) == [(3, b"ghi"), (0, b"j")]
    assert keeper.dropped_bytes == 3
