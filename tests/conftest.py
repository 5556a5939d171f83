"""What holds for all tests."""

from __future__ import annotations

import signal

# A shell starts its background jobs with Ctrl-C ignored, and what they start inherits that: tests
# that press Ctrl-C mean a terminal's, wherever the tests were started from.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
