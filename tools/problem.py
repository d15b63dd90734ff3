"""What a user can mend, as one message and exit code 1, for all tools; usage mistakes are argparse's, exit code 2."""

from __future__ import annotations

import sys
from collections.abc import Callable


def run_tool(work: Callable[[], int]) -> int:
    """Calls ``work``; errors that name a file, a folder or an option become lines for people, without a traceback."""
    try:
        return work()
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted; nothing half-done was published", file=sys.stderr)
        return 130
