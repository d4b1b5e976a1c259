"""What can be said of a GPU without one, and what cannot.

Shapes and types of networks need no memory: tensors on the device `meta` have none. Choices of
devices and workers need a word of torch only, which is replaced. Half precision rounds on a CPU as
it does elsewhere. Training, timing, memory and kernels need a GPU: those tests are marked `gpu`.
"""

import numpy as np
import pytest
import torch

from lgap.autoencoders.encoded import encode_benchmark
from lgap.autoencoders.registry import embedded_autoencoder
from lgap.autoencoders.trunk import Trunk, decoder_blocks
from lgap.classifiers.backbones import MINI_BACKBONES, TRANSFORMERS, make_classifier
from lgap.classifiers.film import NoiseConditionedClassifier
from lgap.classifiers.run import Run
from lgap.core import InputError, pick_device
from lgap.data.benchmark import Benchmark, make_folds
from lgap.sweep.results import Store
from lgap.sweep.sweep import Task, run_sweep
from lgap.sweep.workers import Machine

META = torch.device('meta')
HAS_GPU = torch.cuda.is_available()
STAGED = [*MINI_BACKBONES, 'resnet50', 'convnext_tiny']
CLASSES = 3


# Shapes
@pytest.mark.parametrize('arch', [*STAGED, *TRANSFORMERS])
@pytest.mark.parametrize('side', [8, 32, 64])
@pytest.mark.parametrize('channels', [1, 4, 32])
def test_shapes_of_classifiers(arch, side, channels):
    with META:
        net = make_classifier(arch, channels, CLASSES, side).eval()
        images = torch.empty(2, channels, side, side)
    logits = net(images)
    assert logits.shape == (2, CLASSES) and logits.dtype == torch.float32
    assert logits.device == META
    half = net.to(torch.bfloat16)(images.to(torch.bfloat16))
    assert half.shape == (2, CLASSES) and half.dtype == torch.bfloat16


@pytest.mark.parametrize('arch', STAGED)
@pytest.mark.parametrize('side', [8, 32])
@pytest.mark.parametrize('channels', [4, 32])
def test_shapes_under_noise(arch, side, channels):
    with META:
        net = NoiseConditionedClassifier(make_classifier(arch, channels, CLASSES, side)).eval()
        latents, sigma = torch.empty(2, channels, side, side), torch.empty(2)
    logits = net.condition(latents, sigma)
    assert logits.shape == (2, CLASSES) and logits.device == META
    assert len(net.stages) == 4


@pytest.mark.parametrize('name', ['sd-mini', 'flux1-mini', 'flux2-mini', 'medvae-mini'])
def test_shapes_of_trunks(name):
    "A trunk ends with as many channels and cells on `meta` as on a CPU."
    ae = embedded_autoencoder(name)
    latents = torch.zeros(1, ae.spec.channels, 8, 8)
    for depth in range(len(decoder_blocks(ae)) + 1):
        trunk = Trunk(ae, depth)
        with torch.inference_mode():
            here = trunk(latents)
        there = trunk.to(META)(latents.to(META))
        assert there.shape == here.shape and there.dtype == here.dtype
        assert there.device == META


# Choices
@pytest.fixture
def gpu_or_not(monkeypatch):
    "Say whether there is a GPU."

    def say(there: bool):
        monkeypatch.setattr(torch.cuda, 'is_available', lambda: there)

    return say


def test_pick_device(gpu_or_not):
    gpu_or_not(True)
    assert pick_device('auto') == torch.device('cuda')
    assert pick_device('cuda:1') == torch.device('cuda:1')
    assert pick_device('cpu') == torch.device('cpu')
    gpu_or_not(False)
    assert pick_device('auto') == torch.device('cpu')
    with pytest.raises(InputError, match='no CUDA GPU'):
        pick_device('cuda')
    with pytest.raises(InputError, match="Unknown device 'gpu'"):
        pick_device('gpu')


def test_workers(gpu_or_not, monkeypatch):
    "One on a GPU unless somebody says otherwise; else one for each core."
    monkeypatch.setattr('lgap.sweep.workers.cpu_count', lambda: 6)
    gpu_or_not(True)
    assert Machine().workers() == 1 and Machine().workers('cpu') == 6
    assert Machine(device='cpu').workers() == 6 and Machine(n_jobs=3).workers() == 3
    gpu_or_not(False)
    assert Machine().workers() == 6 and Machine(n_jobs=0).workers() == 1


def test_out_of_memory_is_told_from_other_errors():
    from lgap.measure import efficiency

    told = efficiency.is_out_of_memory
    assert told(torch.cuda.OutOfMemoryError()) and told(MemoryError())
    assert not told(ValueError('out of luck')) and not told(RuntimeError('shape mismatch'))


# Half precision
@pytest.mark.parametrize('arch', ['resnet-mini-latent', 'convnext-mini', 'transformer-mini'])
def test_autocast_is_close(arch):
    "bfloat16 keeps 8 bits: logits agree to a few hundredths of their spread."
    torch.manual_seed(0)
    net = make_classifier(arch, 4, CLASSES, 8).eval()
    latents = torch.randn(64, 4, 8, 8)
    with torch.inference_mode():
        whole = net(latents)
        with torch.autocast('cpu', torch.bfloat16):
            half = net(latents)
    assert half.dtype == torch.bfloat16 and whole.dtype == torch.float32
    error = (half.float() - whole).abs().max() / whole.std()
    assert 0 < error < 0.1


# With a GPU
gpu = pytest.mark.gpu
needs = pytest.mark.skipif(not HAS_GPU, reason='no CUDA GPU')


@pytest.fixture(scope='module')
def tasks(tmp_path_factory):
    "Two runs on 60 small images: classes differ in the upper half."
    folder = tmp_path_factory.mktemp('gpu')
    y = np.arange(60) % 2
    x = np.random.default_rng(0).integers(0, 100, (60, 1, 16, 16), dtype=np.uint8)
    x[y == 1, :, :8] += 40
    bench = Benchmark('toy', ('top', 'none'), y, np.arange(60), lambda i: x[i], 16, 'toy')
    encoded, folds = encode_benchmark(bench, cache=folder, progress=False), make_folds(bench, 3)
    short = dict(n_folds=3, data=encoded.key, epochs=8, bs=20, lr=3e-3, stem=4)
    runs = [Run('toy', 'image', fold=fold, **short) for fold in range(2)]
    return [Task(run, encoded, y, folds[run.fold], 2) for run in runs]


def sweep(tasks, folder, device: str) -> list[dict]:
    "Results of a sweep on a device."
    machine = Machine(device=device, n_jobs=1, progress=False)
    return run_sweep(tasks, Store(folder / 'runs'), machine)


@gpu
@needs
def test_a_gpu_learns_what_a_cpu_learns(tasks, tmp_path):
    here, there = (sweep(tasks, tmp_path / device, device) for device in ('cpu', 'cuda'))
    for one, other in zip(here, there):
        assert (one['index'] == other['index']).all()
        difference = one['metrics']['balanced_accuracy'] - other['metrics']['balanced_accuracy']
        assert abs(difference) <= 0.2
        assert other['metrics']['balanced_accuracy'] > 0.7


@gpu
@needs
def test_results_of_a_gpu_are_read_on_a_cpu(tasks, tmp_path):
    first = sweep(tasks[:1], tmp_path, 'cuda')
    path = Store(tmp_path / 'runs').path(tasks[0].run)
    made = path.stat().st_mtime_ns
    both = sweep(tasks, tmp_path, 'cpu')
    assert path.stat().st_mtime_ns == made
    assert (both[0]['logits'] == first[0]['logits']).all()


@gpu
@needs
def test_a_huge_batch_runs_out_of_memory():
    from lgap.measure.efficiency import is_out_of_memory

    with pytest.raises(torch.cuda.OutOfMemoryError) as caught:
        torch.empty(2**50, device='cuda')
    assert is_out_of_memory(caught.value)
