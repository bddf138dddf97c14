"""G.722 at 64 kbit/s: 16 kHz in two bands of 8 kHz, each with its own adaptive predictor.

One octet is two samples: six bits of the lower band, two of the higher. State is a row of words, the lower band's, the
higher band's, then the history of the quadrature mirror filter; begin() sets it up.
Source: ITU-T G.722 clauses 3 to 6; names of the blocks (LOGSCL, UPPOL2 …) and all tables are the recommendation's.
"""

from typing import Any

from media.kernel.compiled import compiled

BAND = 48
"""Words of a band. The filter's history stands behind both."""
S, NB, DET, SZ = 0, 1, 2, 3
R, A, P, D, B = 4, 8, 12, 16, 24
HISTORY, HISTORY_LENGTH = 2 * BAND, 24

QMF = (3, -11, 12, 32, -210, 951, 3876, -805, 362, -156, 53, -11)
WL = (-60, -30, 58, 172, 334, 538, 1198, 3042)
RL42 = (0, 7, 6, 5, 4, 3, 2, 1, 7, 6, 5, 4, 3, 2, 1, 0)
ILB = (
    *(2048, 2093, 2139, 2186, 2233, 2282, 2332, 2383, 2435, 2489, 2543, 2599, 2656, 2714, 2774, 2834),
    *(2896, 2960, 3025, 3091, 3158, 3228, 3298, 3371, 3444, 3520, 3597, 3676, 3756, 3838, 3922, 4008),
)
WH = (0, -214, 798)
RH2 = (2, 1, 2, 1)
QM2 = (-7408, -1616, 7408, 1616)
QM4 = (
    *(0, -20456, -12896, -8968, -6288, -4240, -2584, -1200),
    *(20456, 12896, 8968, 6288, 4240, 2584, 1200, 0),
)
QM6 = (
    *(-136, -136, -136, -136, -24808, -21904, -19008, -16704),
    *(-14984, -13512, -12280, -11192, -10232, -9360, -8576, -7856),
    *(-7192, -6576, -6000, -5456, -4944, -4464, -4008, -3576, -3168, -2776, -2400, -2032, -1688, -1360, -1040, -728),
    *(24808, 21904, 19008, 16704, 14984, 13512, 12280, 11192, 10232, 9360, 8576, 7856, 7192, 6576, 6000, 5456),
    *(4944, 4464, 4008, 3576, 3168, 2776, 2400, 2032, 1688, 1360, 1040, 728, 432, 136, -432, -136),
)
Q6 = (
    *(0, 35, 72, 110, 150, 190, 233, 276, 323, 370, 422, 473, 530, 587, 650, 714),
    *(786, 858, 940, 1023, 1121, 1219, 1339, 1458, 1612, 1765, 1980, 2195, 2557, 2919, 0, 0),
)
ILN = (
    *(0, 63, 62, 31, 30, 29, 28, 27, 26, 25, 24, 23, 22, 21, 20, 19),
    *(18, 17, 16, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 0),
)
ILP = (
    *(0, 61, 60, 59, 58, 57, 56, 55, 54, 53, 52, 51, 50, 49, 48, 47),
    *(46, 45, 44, 43, 42, 41, 40, 39, 38, 37, 36, 35, 34, 33, 32, 0),
)
IHN = (0, 1, 0)
IHP = (0, 3, 2)


@compiled
def begin(state: Any) -> None:
    for index in range(HISTORY + HISTORY_LENGTH):
        state[index] = 0
    state[DET] = 32
    state[BAND + DET] = 8


@compiled
def _clamped(value: Any) -> Any:
    return min(max(value, -32768), 32767)


@compiled
def _adapt(state: Any, at: Any, d: Any) -> None:
    """The predictor of the band at `at` learns the difference d, and predicts the next sample."""
    # RECONS, PARREC
    zero_part = state[at + SZ]
    reconstructed = _clamped(state[at + S] + d)
    partial = _clamped(zero_part + d)
    # UPPOL2
    same_1 = (partial >> 15) == (state[at + P + 1] >> 15)
    same_2 = (partial >> 15) == (state[at + P + 2] >> 15)
    first = _clamped(state[at + A + 1] << 2)
    first = min(-first if same_1 else first, 32767)
    second = (128 if same_2 else -128) + (first >> 7) + (state[at + A + 2] * 32512 >> 15)
    second = min(max(second, -12288), 12288)
    # UPPOL1
    limit = _clamped(15360 - second)
    first = _clamped((192 if same_1 else -192) + (state[at + A + 1] * 32640 >> 15))
    state[at + A + 1] = min(max(first, -limit), limit)
    state[at + A + 2] = second
    # UPZERO, DELAYA
    step = 0 if d == 0 else 128
    for index in range(6, 0, -1):
        is_same = (d >> 15) == (state[at + D + index] >> 15)
        state[at + B + index] = _clamped((step if is_same else -step) + (state[at + B + index] * 32640 >> 15))
    state[at + D] = d
    for index in range(6, 0, -1):
        state[at + D + index] = state[at + D + index - 1]
    state[at + R + 2], state[at + R + 1] = state[at + R + 1], reconstructed
    state[at + P + 2], state[at + P + 1] = state[at + P + 1], partial
    # FILTEP
    pole_part = _clamped(
        (state[at + A + 1] * _clamped(2 * state[at + R + 1]) >> 15)
        + (state[at + A + 2] * _clamped(2 * state[at + R + 2]) >> 15)
    )
    # FILTEZ
    total = 0
    for index in range(6, 0, -1):
        total += state[at + B + index] * _clamped(2 * state[at + D + index]) >> 15
    total = _clamped(total)
    state[at + SZ] = total
    # PREDIC
    state[at + S] = _clamped(pole_part + total)


@compiled
def _rescale(state: Any, at: Any, weight: Any, most: Any, shift: Any) -> None:
    """LOGSCL or LOGSCH, then SCALEL or SCALEH."""
    logarithm = min(max((state[at + NB] * 127 >> 7) + weight, 0), most)
    state[at + NB] = logarithm
    size = shift - (logarithm >> 11)
    value = ILB[logarithm >> 6 & 31]
    state[at + DET] = (value << -size if size < 0 else value >> size) << 2


@compiled
def _learn_low(state: Any, code: Any) -> None:
    """code: the four bits of the lower band that both ends predict from."""
    difference = state[DET] * QM4[code] >> 15
    _rescale(state, 0, WL[RL42[code]], 18432, 8)
    _adapt(state, 0, difference)


@compiled
def _learn_high(state: Any, code: Any) -> None:
    difference = state[BAND + DET] * QM2[code] >> 15
    _rescale(state, BAND, WH[RH2[code]], 22528, 10)
    _adapt(state, BAND, difference)


@compiled
def _shift_history(state: Any, first: Any, second: Any) -> None:
    for index in range(HISTORY, HISTORY + HISTORY_LENGTH - 2):
        state[index] = state[index + 2]
    state[HISTORY + 22], state[HISTORY + 23] = first, second


@compiled
def decode(state: Any, octets: Any, offset: Any, size: Any, out: Any) -> None:
    """out: twice `size` samples at 16 kHz."""
    for index in range(size):
        code = int(octets[offset + index])
        low_code, high_code = code & 63, code >> 6
        low = state[S] + (state[DET] * QM6[low_code] >> 15)
        low = min(max(low, -16384), 16383)
        _learn_low(state, low_code >> 2)
        high = state[BAND + S] + (state[BAND + DET] * QM2[high_code] >> 15)
        high = min(max(high, -16384), 16383)
        _learn_high(state, high_code)
        _shift_history(state, low + high, low - high)
        even, odd = 0, 0
        for tap in range(12):
            even += state[HISTORY + 2 * tap + 1] * QMF[11 - tap]
            odd += state[HISTORY + 2 * tap] * QMF[tap]
        # -32768 means a missing sample elsewhere.
        out[2 * index] = max(_clamped(even >> 11), -32767)
        out[2 * index + 1] = max(_clamped(odd >> 11), -32767)


@compiled
def encode(state: Any, samples: Any, size: Any, octets: Any, offset: Any) -> None:
    """samples: twice `size` at 16 kHz."""
    for index in range(size):
        _shift_history(state, int(samples[2 * index]), int(samples[2 * index + 1]))
        even, odd = 0, 0
        for tap in range(12):
            odd += state[HISTORY + 2 * tap] * QMF[tap]
            even += state[HISTORY + 2 * tap + 1] * QMF[11 - tap]
        low_code = _quantise_low(state, even + odd >> 14)
        high_code = _quantise_high(state, even - odd >> 14)
        octets[offset + index] = high_code << 6 | low_code


@compiled
def _quantise_low(state: Any, sample: Any) -> Any:
    """SUBTRA, QUANTL."""
    error = _clamped(sample - state[S])
    size = error if error >= 0 else -(error + 1)
    step = 1
    while step < 30 and size >= Q6[step] * state[DET] >> 12:
        step += 1
    code = ILN[step] if error < 0 else ILP[step]
    _learn_low(state, code >> 2)
    return code


@compiled
def _quantise_high(state: Any, sample: Any) -> Any:
    """SUBTRA, QUANTH."""
    error = _clamped(sample - state[BAND + S])
    size = error if error >= 0 else -(error + 1)
    step = 2 if size >= 564 * state[BAND + DET] >> 12 else 1
    code = IHN[step] if error < 0 else IHP[step]
    _learn_high(state, code)
    return code
