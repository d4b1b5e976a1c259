"Digests see everything that a value holds, at any depth, and never change."

from collections import namedtuple
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch

from lgap.core import array_digest, digest


@dataclass
class Pair:
    left: object
    right: object = None


Named = namedtuple('Named', 'left right')
RUN = dict(seed=0, lr=1e-4, arch='resnet-mini', nested=dict(x=[1.0, True]))
FROZEN = [  # keys of files are made of these
    (None, '7b8b2cb83a44fca2'),
    (True, '5c07e85b3afb9490'),
    (0, 'e9f11462495399c0'),
    (-1.5, '14f3fe8deaef8211'),
    (1e-4, '01a072c40cc51f79'),
    ('', 'bd2ca46633f2412e'),
    ('latent', 'fc29721d74efb631'),
    ('ü', 'c1d7a3e1d5d62825'),
    ([], 'e15a8caac23994e7'),
    ([1, 2, 3], '1f513094e5511b3e'),
    (['a', None, 0.5], 'f727115ca9dcd351'),
    ({}, '9327a492264ecac0'),
    ({'b': 1, 'a': [2, 3]}, 'df1f97d69b917a34'),
    (RUN, 'c7d8475c4d6ac8dc'),
]
FROZEN_ARRAYS = [
    (np.arange(6, dtype=np.int64).reshape(2, 3), '0f6d69792390cc8d'),
    (np.zeros(0, np.float32), 'dcff1cc7e03c539b'),
    (np.linspace(0, 1, 7), '320a54a3c441c217'),
    (np.array(True), '8e8688a9bd2e2bdc'),
    (np.arange(4, dtype=np.uint8), '7cce3703e1607999'),
]


def planes(changed: bool) -> np.ndarray:
    "5000 zeros, the middle one changed or not: NumPy prints both in the same way."
    array = np.zeros(5000)
    array[2500] = float(changed)
    return array


WRAPPED = {
    'bare': lambda a: a,
    'list': lambda a: [a],
    'tuple': lambda a: (1, a),
    'named tuple': lambda a: Named(a, 1),
    'dictionary': lambda a: {'a': a},
    'dictionary in list in dictionary': lambda a: {'a': [{'b': (a, 0)}]},
    'dataclass': lambda a: Pair(a),
    'dataclass in dataclass': lambda a: [Pair(1, Pair(a))],
    'tensor': torch.from_numpy,
    'tensor in list': lambda a: [torch.from_numpy(a)],
    'tensor in dataclass': lambda a: {'a': Pair(torch.from_numpy(a))},
}


@pytest.mark.parametrize('kind', WRAPPED)
def test_an_entry_in_the_middle_counts(kind):
    one, same, other = (WRAPPED[kind](planes(changed)) for changed in (False, False, True))
    assert str(planes(False)) == str(planes(True))  # what a digest of the print would not see
    assert digest(one) == digest(same) != digest(other)


@pytest.mark.parametrize('value, want', FROZEN, ids=str)
def test_digests_of_plain_values_are_frozen(value, want):
    assert digest(value) == want
    assert digest(value, 8) == want[:8]


@pytest.mark.parametrize('array, want', FROZEN_ARRAYS, ids=lambda value: str(value)[:12])
def test_digests_of_arrays_are_frozen(array, want):
    assert digest(array) == array_digest(array) == want
    assert digest(torch.from_numpy(array)) == want
    assert digest(np.array(array, order='F')) == want  # the layout in memory is not content


def test_bfloat16_has_a_digest():
    steps = torch.arange(4).to(torch.bfloat16)
    assert digest(steps) == '0480649164350d46' != digest(2 * steps) == '846544f519fc4c00'


def test_type_and_shape_count():
    zeros = np.zeros((2, 3), np.float32)
    different = [zeros, zeros.astype(np.float64), zeros.reshape(3, 2), zeros.astype(np.int32)]
    assert len({digest(array) for array in different}) == 4


def test_the_order_of_keys_does_not_count():
    assert digest(dict(a=1, b=2)) == digest(dict(b=2, a=1))
    assert digest([1, 2]) != digest([2, 1])
    assert digest((1, 2)) == digest([1, 2])


def test_fields_of_dataclasses_count():
    pair = Pair(1, 2)
    assert digest(pair) == digest(dict(left=1, right=2)) != digest(replace(pair, right=3))
    assert digest(np.float64(0.5)) == digest(0.5) and digest(Path('a/b')) == digest('a/b')


UNKNOWN = dict(
    set={1, 2},
    object=object(),
    function=[len],
    complex={'a': 1j},
    type=Pair,
    set_in_a_field=Pair(set()),
)


@pytest.mark.parametrize('value', UNKNOWN.values(), ids=UNKNOWN)
def test_what_it_does_not_know_is_refused(value):
    with pytest.raises(TypeError, match='digest of'):
        digest(value)
    with pytest.raises(TypeError, match='array of objects'):
        digest([np.array([value], dtype=object)])
