"""A task file for SkyPilot: the ledger's queue on spot machines of any cloud."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import yaml

from ssd_training.errors import InterruptedRun
from ssd_training.ledger.opening import Location

_HEADER = """\
# A worker of the ledger's queue on a spot machine, and on another one when that is taken away.
#   sky jobs launch --yes {name}.yaml    # once for each machine
#   sky jobs queue                       # and what they train:
#   python -m ssd_training.ledger list {location}
"""
_RUN = """\
run: |
  mkdir -p ~/runs && chmod 777 ~/runs
  exec docker run --rm --init --gpus all --network host --stop-timeout 110 \\
    --volume /data:/data:ro --volume ~/runs:/runs \\
    {variables} \\
    {image} ssd_training.ledger run
"""


@dataclass(frozen=True)
class Machines:
    """
    What to ask clouds for.

    :param image: of docker/training/Dockerfile.train
    :param accelerators: tried in this order, such as L4:1
    :param disk_gb: of each machine
    :param dataset_url: bucket that becomes /data; empty where the image needs none
    """

    image: str
    accelerators: Sequence[str] = ('L4:1', 'A10G:1', 'T4:1')
    disk_gb: int = 150
    dataset_url: str = ''


def write_task(
    name: str, location: Location, machines: Machines, environment: Mapping[str, str]
) -> str:
    """
    Write a task file.

    :param name: of the jobs
    :param location: of the ledger, a table
    :param machines: see Machines
    :param environment: variables of the worker beside those of the ledger
    :return: YAML
    """
    variables = {**environment, **location.as_environment()}
    variables = {key: value for key, value in sorted(variables.items()) if value}
    task = {
        'name': name,
        'resources': {
            'accelerators': list(machines.accelerators),
            'use_spot': True,
            'disk_size': machines.disk_gb,
            'job_recovery': {
                # Experiments that failed are in the ledger: the machine's exit code 1 starts none.
                'max_restarts_on_errors': 0,
                'recover_on_exit_codes': [InterruptedRun(15, '').exit_code],
            },
        },
        'envs': variables,
    }
    if machines.dataset_url:
        task['file_mounts'] = {'/data': {'source': machines.dataset_url, 'mode': 'COPY'}}
    where = f'--table_name {location.table} --region {location.region}'
    text = yaml.safe_dump(task, sort_keys=False)
    names = ' '.join(f'--env {key}' for key in variables)
    header = _HEADER.format(name=name, location=where)
    return header + text + _RUN.format(image=machines.image, variables=names)
