"""What stores raise: whether to try again, and what to do about it, in words."""

import errno
from textwrap import shorten

_SHOWN = 300
_RIGHTS = 's3:GetObject, s3:PutObject, s3:DeleteObject, s3:ListBucket'
_RENEW = 'the credentials are not valid, or not any more: renew them'
_REGION = 'the bucket is in another region: set AWS_DEFAULT_REGION'
_BUCKET = 'make the bucket, or correct its name (run.upload_to)'
# Codes of S3 that stay as they are, whatever is tried.
_FINAL_CODES = {
    'AccessDenied': f'the credentials lack the right to do so ({_RIGHTS})',
    '403': f'the credentials lack the right to do so ({_RIGHTS})',
    'InvalidAccessKeyId': _RENEW,
    'SignatureDoesNotMatch': _RENEW,
    'ExpiredToken': _RENEW,
    'InvalidToken': _RENEW,
    'RequestTimeTooSkewed': 'set the clock of this machine (NTP)',
    'PermanentRedirect': _REGION,
    'AuthorizationHeaderMalformed': _REGION,
    'IllegalLocationConstraintException': _REGION,
    '301': _REGION,
    'NoSuchBucket': _BUCKET,
    'InvalidBucketName': _BUCKET,
}
_FINAL_KINDS = {
    'NoCredentialsError': 'set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, or '
    'give the machine a role',
    'PartialCredentialsError': 'set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, both',
    'ProfileNotFound': 'correct AWS_PROFILE',
    'ParamValidationError': _BUCKET,
}
_FULL = {errno.ENOSPC, errno.EDQUOT}
_FINAL_ERRORS = (
    *(FileNotFoundError, PermissionError, FileExistsError, NotADirectoryError),
    *(IsADirectoryError, AttributeError, KeyError, TypeError, NotImplementedError),
)


def is_final(error: Exception) -> bool:
    """
    Tell what trying again can not change, from what a network or a busy server does.

    :param error: of fsspec, s3fs, botocore or the system
    :return: true for rights, names, regions, credentials, full disks
    """
    return (
        isinstance(error, _FINAL_ERRORS)
        or getattr(error, 'errno', None) in _FULL
        or type(error).__name__ in _FINAL_KINDS
        or _code_of(error) in _FINAL_CODES
    )


def is_bucket_missing(error: BaseException | None) -> bool:
    """
    Tell a bucket that is not there from a folder in it that is not.

    :param error: of fsspec, s3fs, botocore or the system
    :return: whether it is the bucket
    """
    return error is not None and _code_of(error) == 'NoSuchBucket'


def explain(error: Exception) -> str:
    """
    Word an error for people.

    :param error: of fsspec, s3fs, botocore or the system
    :return: what it says, in one line, and what to do where that is known
    """
    text = shorten(str(error) or type(error).__name__, _SHOWN)
    advice = _FINAL_KINDS.get(type(error).__name__) or _FINAL_CODES.get(_code_of(error))
    if getattr(error, 'errno', None) in _FULL:
        advice = 'make room'
    return f'{text}; {advice}' if advice else text


def _code_of(error: BaseException) -> str:
    """Give the code of S3's answer, which s3fs keeps in the cause of the error that it raises."""
    for candidate in (error, error.__cause__):
        response = getattr(candidate, 'response', None)
        if isinstance(response, dict):
            return str(response.get('Error', {}).get('Code', ''))
    return ''
