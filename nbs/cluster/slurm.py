"""Run a profile on a Slurm cluster: `python nbs/cluster/slurm.py --jobs 20 --partition gpu -- --profile paper`.

Starts a Dask scheduler here, asks Slurm for jobs that hold one worker each, and runs lgap_reproduce on them. All nodes must
see this checkout and the cache folder under the same path. `--dry-run` prints the job script and starts nothing."""

import argparse
import subprocess
import sys
from pathlib import Path

from dask_jobqueue import SLURMCluster


def slurm_cluster(a) -> SLURMCluster:
    "One worker of one thread in each job: a GPU serves one run at a time."
    gpu = [f'--gres=gpu:{a.gpus}'] if a.gpus else []
    return SLURMCluster(
        queue=a.partition,
        account=a.account,
        cores=1,
        processes=1,
        job_cpu=a.cpus,
        memory=a.memory,
        walltime=a.walltime,
        log_directory=a.logs,
        job_extra_directives=gpu,
        job_script_prologue=['export OMP_NUM_THREADS=1'],
        worker_extra_args=['--lifetime', a.lifetime, '--lifetime-stagger', '4m'],
        scheduler_options=dict(dashboard_address=None),
    )


def main() -> int:
    ap = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    ap.add_argument('--jobs', type=int, default=4, help='Slurm jobs at once')
    ap.add_argument('--partition')
    ap.add_argument('--account')
    ap.add_argument('--gpus', type=int, default=1, help='GPUs of each job; 0 for none')
    ap.add_argument('--cpus', type=int, default=4)
    ap.add_argument('--memory', default='32GB')
    ap.add_argument('--walltime', default='04:00:00')
    ap.add_argument(
        '--lifetime',
        default='220m',
        help='a worker leaves in good order before the wall time ends; its job is replaced',
    )
    ap.add_argument('--logs', default='runs/slurm')
    ap.add_argument('--dry-run', action='store_true', help='print the job script')
    ap.add_argument('rest', nargs='*', help='options of lgap_reproduce, after --')
    a = ap.parse_args()
    with slurm_cluster(a) as cluster:
        if a.dry_run:
            print(cluster.job_script())
            return 0
        cluster.adapt(minimum_jobs=1, maximum_jobs=a.jobs)  # jobs that end or die are replaced
        command = Path(sys.executable).with_name('lgap_reproduce')
        where = ['--scheduler', 'dask', '--address', cluster.scheduler_address]
        return subprocess.run([command, *a.rest, *where]).returncode


if __name__ == '__main__':
    sys.exit(main())
