"""The ledger of experiments: `python -m ssd_training.ledger register|list|next|run|...`."""

from collections.abc import Sequence
import sys

from ssd_training.command_line import run_command
from ssd_training.ledger.arguments import parse


def main(argv: Sequence[str] | None = None) -> int:
    """
    Run one of the commands; results go to stdout.

    :param argv: the arguments; those of the process by default
    :return: 0 good; 1 failed, or nothing to be had; 2 wrong usage or configuration; 128 + n after
        signal n
    """
    arguments = parse(sys.argv[1:] if argv is None else argv)

    def action() -> int:
        # It brings the schema of experiments; --help does without.
        from ssd_training.ledger.commands import run

        return run(arguments)

    return run_command(action)


if __name__ == '__main__':
    sys.exit(main())
