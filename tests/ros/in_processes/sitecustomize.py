"""Of every Python process that a test starts: SIGUSR2 writes its stacks to stderr."""

import faulthandler
import signal

faulthandler.register(signal.SIGUSR2, all_threads=True)
