"""
`make demo-experiments`: three small trainings on two workers, with a ledger in a file.

No account, no data set: the pictures are generated shapes. Writes demo_out/experiments/.
"""

from contextlib import ExitStack
import os
from pathlib import Path
import shutil
import subprocess
import sys

OUTPUT = Path('demo_out/experiments')
LEDGER = [sys.executable, '-m', 'ssd_training.ledger']
# Seconds each: what is learnt in them is little.
SHORT = [
    'data.shapes.num_train=160',
    'data.shapes.num_val=32',
    'train.epochs=2',
    'train.eval_every=1',
    'train.batch_size=8',
    'scheduler.warmup.steps=10',
]
EXPERIMENTS = {
    'slow_start': ['scheduler.base_lr=0.001', 'experiment.priority=5'],
    'fast_start': ['scheduler.base_lr=0.006'],
    'longer': ['train.epochs=3', 'experiment.depends_on=[fast_start]'],
}
WORKERS = ('worker-1', 'worker-2')


def main() -> int:
    """
    Register, work, watch.

    :return: 0 when all three succeeded
    """
    shutil.rmtree(OUTPUT, ignore_errors=True)
    OUTPUT.mkdir(parents=True)
    environment = os.environ | {
        'SSD_LEDGER': str(OUTPUT / 'ledger.db'),
        'RUNS_ROOT': str(OUTPUT / 'runs'),
        'SSD_PRICE_USD_PER_HOUR': '0.50',
        'COLUMNS': os.environ.get('COLUMNS', '110'),
    }
    for name, values in EXPERIMENTS.items():
        arguments = ['register', 'experiments/smoke.yaml', f'experiment.id={name}']
        subprocess.run([*LEDGER, *arguments, *SHORT, *values], env=environment, check=True)
    with ExitStack() as files:
        workers = [
            subprocess.Popen(
                [*LEDGER, 'run', '--poll_s', '1'],
                env=environment | {'SSD_WORKER_NAME': name},
                stdout=subprocess.DEVNULL,
                stderr=files.enter_context((OUTPUT / f'{name}.log').open('w')),
            )
            for name in WORKERS
        ]
        print(f'Two workers, whose logs are {OUTPUT}/worker-*.log:\n')
        try:
            subprocess.run([*LEDGER, 'list', '--watch', '1'], env=environment, check=True)
        finally:
            for worker in workers:
                if sys.exc_info()[0] is not None:
                    worker.terminate()
        codes = [worker.wait() for worker in workers]
    print(f'\n\nRuns: {OUTPUT}/runs/*')
    return max(codes)


if __name__ == '__main__':
    sys.exit(main())
