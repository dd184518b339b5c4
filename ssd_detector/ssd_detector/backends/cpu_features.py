"""What this machine's processor can do."""

from functools import cache
import hashlib
from pathlib import Path
import platform

_CPU_INFO = Path('/proc/cpuinfo')
_VNNI = {'avx512_vnni', 'avx_vnni', 'avx10_1'}
_BFLOAT16 = {'avx512_bf16', 'amx_bf16', 'avx10_1', 'bf16'}


@cache
def multiplies_int8_exactly() -> bool:
    """
    Tell whether sums of products of 8 bits are held in 32 bits.

    x86 processors without VNNI add two products of uint8 and int8 in 16 bits, which saturate
    (onnxruntime.ai/docs/performance/model-optimizations/quantization.html, "When and why do I
    need to try U8U8?"). On such a one the released INT8 file was off by 40 px and 0.5.

    :return: False for x86 without VNNI, and where that can't be read
    """
    if platform.machine().lower() not in ('x86_64', 'amd64'):
        return True
    return not _VNNI.isdisjoint(_read_fields().get('flags', '').split())


@cache
def multiplies_bfloat16() -> bool:
    """
    Tell whether there are instructions for products of bfloat16.

    :return: True also where that can't be read
    """
    fields = _read_fields()
    features = fields.get('flags', '') + fields.get('Features', '')
    return not features or not _BFLOAT16.isdisjoint(features.split())


@cache
def describe_cpu() -> str:
    """
    Describe the processor, so that another one is told from it.

    :return: architecture, model, and a hash of what it can do
    """
    fields = _read_fields()
    model = fields.get('model name') or fields.get('CPU part', '')
    # Linux says `flags` on x86 and `Features` on ARM.
    features = fields.get('flags', '') + fields.get('Features', '')
    digest = hashlib.sha256(features.encode()).hexdigest()
    return f'{platform.machine()} {model} {digest[:12]}'


def _read_fields() -> dict[str, str]:
    """Read what Linux says of the first core; nothing elsewhere."""
    try:
        text = _CPU_INFO.read_text(encoding='ascii', errors='replace')
    except OSError:
        return {}
    pairs = (line.partition(':') for line in text.split('\n\n')[0].splitlines())
    return {name.strip(): value.strip() for name, _, value in pairs}
