"""The former name of `python -m ssd_training.build_engine`; goes with the next version."""

import sys

from ssd_training.build_engine import main

if __name__ == '__main__':
    print(
        'python -m ssd_training.engine is now python -m ssd_training.build_engine; '
        'this name goes with the next version',
        file=sys.stderr,
    )
    sys.exit(main())
