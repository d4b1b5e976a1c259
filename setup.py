"Package metadata, read from settings.ini."

from configparser import ConfigParser
from pathlib import Path

from setuptools import find_namespace_packages, setup

here = Path(__file__).parent
cp = ConfigParser(delimiters=['='])
cp.read(here / 'settings.ini', encoding='utf-8')
cfg = cp['DEFAULT']
readme = here / 'README.md'
kinds = ('cluster', 'lab', 'inpainting', 'segmentation', 'dev')
extras = {name: cfg[f'{name}_requirements'].split() for name in kinds}
for kind in kinds[:-1]:
    extras['dev'] += extras[kind]
extras['dask'] = extras['cluster']  # the other name under which it is looked for
setup(
    name=cfg['lib_name'],
    version=cfg['version'],
    description=cfg['description'],
    keywords=cfg['keywords'],
    long_description=readme.read_text(encoding='utf-8') if readme.exists() else '',
    long_description_content_type='text/markdown',
    license='Apache-2.0',
    author=cfg['author'],
    author_email=cfg['author_email'],
    url=cfg['git_url'],
    packages=find_namespace_packages(include=['lgap', 'lgap.*']),
    package_data={'lgap': ['weights/*.safetensors', 'autoencoders/hub.yaml']},
    include_package_data=True,
    python_requires='>=' + cfg['min_python'],
    install_requires=cfg['requirements'].split(),
    extras_require=extras,
    entry_points={
        'console_scripts': cfg['console_scripts'].split(),
        'nbdev': [f'{cfg["lib_name"]}={cfg["lib_name"]}._modidx:d'],
    },
    zip_safe=False,
)
