"""What AWS' errors mean for a ledger, and what to do."""

from collections.abc import Iterator
from contextlib import contextmanager

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionError,
    HTTPClientError,
    NoCredentialsError,
    PartialCredentialsError,
)

from ssd_training.errors import LedgerError

_CREDENTIALS = (
    'give the variables AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, a profile (AWS_PROFILE), or '
    'the machine a role'
)
_CLOCK = (
    'the secret key is wrong, or the clock of this machine is more than five minutes off; compare '
    'it with: date -u'
)
_RIGHTS = (
    'these credentials lack the right; the table and its index need GetItem, BatchGetItem, '
    'PutItem, UpdateItem, Query and Scan'
)
_LATER = 'too many requests for the capacity of the table; try again, or let it pay per request'
_ADVICE = {
    'ResourceNotFoundException': 'it is not there; is the region the right one (--region)? '
    'python -m ssd_training.ledger create_table makes it',
    'AccessDeniedException': _RIGHTS,
    'UnrecognizedClientException': f'the access key is not known; {_CREDENTIALS}',
    'InvalidClientTokenId': f'the access key is not known; {_CREDENTIALS}',
    'ExpiredTokenException': f'the credentials are too old; {_CREDENTIALS}',
    'InvalidSignatureException': _CLOCK,
    'SignatureDoesNotMatch': _CLOCK,
    'RequestExpired': _CLOCK,
    'RequestTimeTooSkewed': _CLOCK,
    'ProvisionedThroughputExceededException': _LATER,
    'RequestLimitExceeded': _LATER,
    'ThrottlingException': _LATER,
    'ValidationException': 'is it a ledger? Its keys are experiment_id and fingerprint, its index '
    'is queue-index; python -m ssd_training.ledger create_table adds the index',
}


@contextmanager
def explained(name: str) -> Iterator[None]:
    """
    Turn errors of AWS into a sentence, while the block runs.

    :param name: of the table, with its region
    :return: nothing
    :raises LedgerError: for all of them
    """
    try:
        yield
    except ClientError as error:
        code = error.response.get('Error', {}).get('Code', '')
        message = error.response.get('Error', {}).get('Message', '') or str(error)
        advice = _ADVICE.get(code, 'see the documentation of AWS')
        raise LedgerError([f'{name}: {code} ({message}); {advice}']) from error
    except (NoCredentialsError, PartialCredentialsError) as error:
        raise LedgerError([f'{name}: no credentials of AWS ({error}); {_CREDENTIALS}']) from error
    except (ConnectionError, HTTPClientError) as error:
        raise LedgerError(
            [
                f'{name}: not reached ({error}); are region (--region), network and '
                f'AWS_ENDPOINT_URL right?'
            ]
        ) from error
    except BotoCoreError as error:
        raise LedgerError([f'{name}: {error}']) from error
