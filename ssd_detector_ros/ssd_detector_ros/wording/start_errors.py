"""What rcl says when a program can't start, as one line with what to do."""

import os

# Words of the reason -> what helps; the first that fits.
_ADVICE = (
    ('logging', 'set ROS_LOG_DIR to a folder that this user can write to'),
    ('params file', 'check path and YAML of the file'),
    ('remap rule', 'write it as -r from:=to'),
    ('log level', 'take debug, info, warn, error or fatal'),
    ('namespace', 'a namespace has at most 245 characters'),
    ('node name', 'a name has at most 255 characters'),
    ('topic', 'a topic or service, with node and namespace before it, has at most 247 characters'),
)
# One of them says where logs go.
_LOG_VARIABLES = ('ROS_LOG_DIR', 'ROS_HOME', 'HOME')


def find_missing_log_folder() -> str:
    """
    Look for what rcl can't do without; what it prints itself has ten lines.

    :return: what is wrong; empty when a place for logs is set
    """
    if any(os.environ.get(name) for name in _LOG_VARIABLES):
        return ''
    return f'no HOME is set, and logs have no place; {_ADVICE[0][1]}'


def explain(error: Exception) -> str:
    """
    Say what was wrong.

    :param error: of rcl, by rclpy
    :return: one line
    """
    # What follows are places in rcl's source, and names once more, underlined.
    reason = str(error).partition('\n')[0].partition(', at /')[0].rstrip(':')
    advice = next((text for words, text in _ADVICE if words in reason), '')
    return f'{reason}; {advice}' if advice else reason
