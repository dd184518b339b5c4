"""What is read of a processor."""

import pytest

from ssd_detector.backends import cpu_features
from ssd_detector.backends.cpu_features import multiplies_bfloat16, multiplies_int8_exactly


@pytest.mark.parametrize(
    ('machine', 'flags', 'expected'),
    [
        ('x86_64', 'flags : fpu avx2 fma', False),
        ('x86_64', 'flags : fpu avx2 avx_vnni', True),
        ('AMD64', 'flags : avx512f avx512_vnni', True),
        ('aarch64', 'Features : asimd', True),
        ('x86_64', None, False),
    ],
)
def test_a_cpu_of_x86_needs_vnni(monkeypatch, tmp_path, machine, flags, expected):
    path = tmp_path / 'cpuinfo'
    if flags is not None:
        path.write_text(f'processor : 0\n{flags}\n')
    monkeypatch.setattr(cpu_features, '_CPU_INFO', path)
    monkeypatch.setattr(cpu_features.platform, 'machine', lambda: machine)

    assert multiplies_int8_exactly.__wrapped__() is expected


@pytest.mark.parametrize(
    ('flags', 'expected'),
    [
        ('flags : fpu avx2 fma avx512f', False),
        ('flags : avx512f avx512_bf16', True),
        ('flags : avx2 amx_bf16 amx_tile', True),
        ('Features : asimd', False),
        ('Features : asimd bf16', True),
        (None, True),
    ],
)
def test_bfloat16_needs_instructions(monkeypatch, tmp_path, flags, expected):
    path = tmp_path / 'cpuinfo'
    if flags is not None:
        path.write_text(f'processor : 0\n{flags}\n')
    monkeypatch.setattr(cpu_features, '_CPU_INFO', path)

    assert multiplies_bfloat16.__wrapped__() is expected
