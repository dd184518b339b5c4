"""How the files of tests are shared among workers."""

from xdist.scheduler import LoadFileScheduling

# Nodes in processes of their own, and what comes and goes between them.
WAITING = ('tests/ros/', 'tests/bags/')


class WaitingApart(LoadFileScheduling):
    """
    Gives files of tests that wait to the first worker, and others to the others, as long as any.

    Two workers leave two cores idle for a quarter of the time: both may wait. A third one that
    computes has TensorFlow once more, and makes all of it slower.
    """

    def _assign_work_unit(self, node):
        waits = node is self.nodes[0]
        suitable = (file for file in self.workqueue if file.startswith(WAITING) == waits)
        if file := next(suitable, None):
            self.workqueue.move_to_end(file, last=False)
        super()._assign_work_unit(node)
