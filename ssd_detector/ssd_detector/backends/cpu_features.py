"""What this machine's processor can do."""

from functools import cache
from pathlib import Path
import platform

_CPU_INFO = Path('/proc/cpuinfo')
_VNNI = {'avx512_vnni', 'avx_vnni', 'avx10_1'}


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
    try:
        text = _CPU_INFO.read_text(encoding='ascii', errors='replace')
    except OSError:
        return False
    flags = next((line for line in text.splitlines() if line.startswith('flags')), '')
    return not _VNNI.isdisjoint(flags.split())
