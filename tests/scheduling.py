"""How pytest-xdist shares out the tests: file by file, and what a dead worker did not come to goes to the others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling


class Sharing(LoadScopeScheduling):  # type: ignore[misc]
    """Gives files to workers, those that share something to the same one.

    xdist's own scheduler gives out the test under which a worker died again, until no worker may be restarted; and it loses
    tests, and waits for them for ever, when a second worker dies before the first one's successor has collected.

    Args:
        config: of the run.
        log: xdist's.
        sharing: name of a group -> how the paths of its files begin.
    """

    def __init__(self, config: pytest.Config, log: Any, sharing: Mapping[str, tuple[str, ...]]) -> None:
        super().__init__(config, log)
        self._sharing = sharing

    def remove_node(self, node: Any) -> str | None:
        """Forget a worker; if it died, return the test under which it did, and give out what it did not come to."""
        workload = self.assigned_work.pop(node)
        if self.collection is None:
            self.registered_collections.pop(node, None)  # its successor collects as well
        left = [(scope, test) for scope, unit in workload.items() for test, done in unit.items() if not done]
        if not left:
            return None
        for scope, test in left[1:]:
            self.workqueue.setdefault(scope, {})[test] = False
        for other in self.nodes:
            self._reschedule(other)
        return left[0][1]

    def _reschedule(self, node: Any) -> None:
        if node in self.registered_collections:
            super()._reschedule(node)

    def _split_scope(self, nodeid: str) -> str:
        found = (name for name, beginnings in self._sharing.items() if nodeid.startswith(beginnings))
        return next(found, nodeid.partition("::")[0])
