"""Which ledger there is, and on which terms this machine takes leases: flags and variables."""

from collections.abc import Mapping
from dataclasses import dataclass
import math
from pathlib import Path
import socket

from ssd_detector.errors import ConfigError
from ssd_training.ledger.leases.clock import machine_clock
from ssd_training.ledger.leases.terms import DEFAULT_LEASE_S, Terms
from ssd_training.ledger.stores.sqlite import SqliteStore
from ssd_training.ledger.stores.store import Store

PATH_VARIABLE = 'SSD_LEDGER'
TABLE_VARIABLE = 'DYNAMODB_EXPERIMENT_TABLE'
REGION_VARIABLES = ('AWS_REGION', 'AWS_DEFAULT_REGION')
LEASE_VARIABLE = 'SSD_LEASE_S'
PRICE_VARIABLE = 'SSD_PRICE_USD_PER_HOUR'
NAME_VARIABLE = 'SSD_WORKER_NAME'
# The reference's.
DEFAULT_REGION = 'us-east-1'


@dataclass(frozen=True)
class Location:
    """
    Where a ledger is: in a file or in a table.

    :param path: of the file, or None
    :param table: its name, or None
    :param region: of the table
    """

    path: Path | None = None
    table: str | None = None
    region: str = DEFAULT_REGION

    def open(self) -> Store:
        """
        Open the ledger; a file is made when it is missing, a table is not.

        :return: the store, which has not been asked anything yet
        :raises ConfigError: when a table needs what is not installed
        """
        if self.table is None:
            return SqliteStore(self.path or Path())
        try:
            # An extra of its own: only who keeps the ledger in a table needs it.
            from ssd_training.ledger.stores.dynamodb import DynamoDbStore
        except ImportError as error:
            raise ConfigError(
                [
                    f'{TABLE_VARIABLE}: {self.table}: a table needs boto3 ({error}); '
                    f'pip install "ssd_training[dynamodb]"'
                ]
            ) from error
        return DynamoDbStore(self.table, self.region)

    def as_environment(self) -> dict[str, str]:
        """
        Tell other processes.

        :return: variables; an empty one counts as none
        """
        if self.table is None:
            return {PATH_VARIABLE: str((self.path or Path()).absolute()), TABLE_VARIABLE: ''}
        region = dict.fromkeys(REGION_VARIABLES, self.region)
        return {PATH_VARIABLE: '', TABLE_VARIABLE: self.table, **region}


def find_location(
    environment: Mapping[str, str],
    *,
    path: Path | None = None,
    table: str | None = None,
    region: str | None = None,
) -> Location | None:
    """
    Find the ledger; flags win over variables.

    :param environment: of the process
    :param path: --ledger
    :param table: --table_name
    :param region: --region
    :return: where it is; None where nothing says so
    :raises ConfigError: when two are named
    """
    names = {'--ledger': path, '--table_name': table}
    if not any(names.values()):
        names = {name: environment.get(name) for name in (PATH_VARIABLE, TABLE_VARIABLE)}
    if all(names.values()):
        raise ConfigError([f'{" and ".join(names)}: both are given; one names the ledger'])
    found_path, found_table = names.values()
    if found_path:
        return Location(path=Path(found_path))
    if found_table:
        regions = (environment.get(name) for name in REGION_VARIABLES)
        chosen = region or next(filter(None, regions), DEFAULT_REGION)
        return Location(table=str(found_table), region=chosen)
    return None


def default_location(environment: Mapping[str, str]) -> Location:
    """
    Name the ledger of who names none.

    :param environment: of the process
    :return: ledger.db beside the runs
    """
    return Location(path=Path(environment.get('RUNS_ROOT') or 'runs') / 'ledger.db')


def read_terms(environment: Mapping[str, str]) -> Terms:
    """
    Read on which terms this machine takes leases.

    :param environment: of the process
    :return: the terms
    :raises ConfigError: when a variable is no number
    """
    return Terms(
        machine_clock(),
        lease_s=_read_number(environment, LEASE_VARIABLE) or DEFAULT_LEASE_S,
        price_usd_per_hour=_read_number(environment, PRICE_VARIABLE),
    )


def machine_name(environment: Mapping[str, str]) -> str:
    """
    Name this machine, for people.

    :param environment: of the process
    :return: what a variable says, or the name of the host
    """
    return environment.get(NAME_VARIABLE) or socket.gethostname()


def _read_number(environment: Mapping[str, str], name: str) -> float | None:
    text = environment.get(name)
    if not text:
        return None
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value < math.inf or (name == LEASE_VARIABLE and value < 1):
        least = 1 if name == LEASE_VARIABLE else 0
        raise ConfigError([f'{name}: received {text}; expected a number from {least} on'])
    return value
