"Fit the unfoldings of the embedded autoencoders anew: python tools/unfoldings.py [NAME ...]."

import sys
from pathlib import Path

from lgap.autoencoders.registry import (
    autoencoder_id,
    known_specs,
    load_autoencoder,
    unfolding_file,
)
from lgap.autoencoders.unfold_fitting import LEAVES, fit_unfolding
from lgap.autoencoders.unfolded import SUFFIX, save_unfolding

SIZE = 64  # pixels per side of the leaves


def write(name: str) -> Path:
    "Fit one and write it into the package."
    ae = load_autoencoder(name)
    path = unfolding_file(f'{name}{SUFFIX}', '')
    facts = dict(how='ordered', size=SIZE) | LEAVES
    save_unfolding(path, fit_unfolding(ae, SIZE).unfolding, name, autoencoder_id(ae), **facts)
    return path


def main():
    general = [name for name in known_specs('embedded') if not name.endswith('-ft')]
    for name in sys.argv[1:] or general:
        print(write(name))


if __name__ == '__main__':
    main()
